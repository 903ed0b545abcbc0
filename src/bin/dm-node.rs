//! dm-node: a node of a DM cluster; as `dm-master` or `dm-worker` by its name or first argument. See `dm::node`.

/// It can tell who holds memory: `observe::profile::heap`.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static HEAP: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() {
    let code = dm::node::main(std::env::args().collect()).await;
    std::process::exit(code);
}
