//! The generated wire messages and gRPC services of DM (package `pb`).
#![allow(clippy::all)]

tonic::include_proto!("pb");

/// The encoded `FileDescriptorSet` of `proto/`, for printing messages as JSON in declaration order.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pb.descriptor.bin"));
