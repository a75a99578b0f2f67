//! Compiles the demo's service in C: the C compiler that SQLite needs is there anyway.

/// What the demo's services do wrong. Their functions keep their names in the program, as those of a program do that a
/// distribution ships with its symbols: the rest of ours has none.
const FAULTS: [&str; 8] = [
    "c_leaks_memory",
    "c_spins",
    "c_takes_store_then_index",
    "c_takes_index_then_store",
    "rust_leaks_memory",
    "rust_spins",
    "rust_takes_data_then_index",
    "rust_takes_index_then_data",
];

fn main() {
    let source = "../../scenarios/services/pthread_service.c";
    println!("cargo::rerun-if-changed={source}");
    cc::Build::new().file(source).warnings(true).compile("pthread_service");
    println!("cargo::rustc-link-lib=pthread");
    for name in FAULTS {
        println!("cargo::rustc-link-arg-bins=-Wl,--export-dynamic-symbol={name}");
    }
}
