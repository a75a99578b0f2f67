//! The one binary: keeper, daemon and command line.
mod announce;
mod banner;
mod between;
mod budget;
mod cli;
mod client;
mod clock;
mod config;
mod daemon;
mod demo;
mod door;
mod error;
mod film;
mod flame;
mod hex;
mod history;
mod journal;
mod keeper;
mod keeper_lost;
mod legacy;
mod link;
mod live;
mod numbers;
mod oneshot;
#[cfg(feature = "onnx")]
mod onnx_models;
mod options;
mod output;
mod paging;
#[cfg(feature = "parquet")]
mod parquet;
mod paths;
mod record;
mod reflex;
mod rescue;
mod saving;
mod service_file;
mod shared;
mod signals;
mod stall_trigger;
mod trim;
mod urgency;
mod wire;

fn main() -> std::process::ExitCode {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    match arguments.split_first() {
        Some((word, rest)) if word == demo::SERVICE_WORD => demo::service_main(rest),
        #[cfg(feature = "onnx")]
        Some((word, _)) if word == onnx_models::SERVICE_WORD => onnx_models::service_main(),
        _ => cli::main(),
    }
}
