//! Compiles the demo's service in C: the C compiler that SQLite needs is there anyway.
fn main() {
    let source = "../../scenarios/services/pthread_service.c";
    println!("cargo::rerun-if-changed={source}");
    cc::Build::new().file(source).warnings(true).compile("pthread_service");
    println!("cargo::rustc-link-lib=pthread");
}
