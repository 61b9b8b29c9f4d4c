//! Whole programs through the binary: what the command line promises, what it does with rubbish, what it writes.

mod analyze;
mod batch;
mod bench;
mod book;
mod browser;
mod contract;
mod deploy;
mod features;
mod gpu_bench;
mod gpu_config;
mod gpu_launch;
mod gpu_list;
mod gpu_run;
mod gpu_watch;
mod models;
mod portfolio;
mod program;
mod recovery;
mod risk;
mod rubbish;
mod store;
mod store_server;
mod surface;
