mod optimizer;
mod trainer;
