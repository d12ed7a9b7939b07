mod coverage;
mod golden;
mod process;
