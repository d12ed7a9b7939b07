mod acquisition;
mod log;
mod oracle;
mod outcome;
mod pareto;
mod problem;
mod surrogate;
