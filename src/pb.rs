//! The generated wire messages and gRPC services of DM (package `pb`).
#![allow(clippy::all)]

tonic::include_proto!("pb");

/// The part of etcd's API that DM's own dmctl reads (package `etcdserverpb`).
pub mod etcd {
    tonic::include_proto!("etcdserverpb");
}

/// The encoded `FileDescriptorSet` of `proto/`, for printing messages as JSON in declaration order.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pb.descriptor.bin"));
