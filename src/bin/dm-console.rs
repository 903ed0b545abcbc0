//! dm-console: shows the live actors of a cluster. See `dm::console`.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let code = dm::console::main(std::env::args().skip(1)).await;
    std::process::exit(code);
}
