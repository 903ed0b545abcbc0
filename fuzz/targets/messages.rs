//! Requests of `pb.Master`: the first byte chooses the call, the rest is the message. What can be decoded is answered
//! by the call's handler, over a cluster in memory; nothing shows a stored password but what `config export` asks for.
#![no_main]

use axum::{body::Body, http::Request};
use http_body_util::BodyExt;
use libfuzzer_sys::fuzz_target;
use tower_service::Service;

mod master;

const CALLS: [&str; 31] = [
    "StartTask",
    "OperateTask",
    "UpdateTask",
    "QueryStatus",
    "ShowDDLLocks",
    "UnlockDDLLock",
    "OperateWorkerRelayTask",
    "PurgeWorkerRelay",
    "CheckTask",
    "OperateSource",
    "RegisterWorker",
    "OfflineMember",
    "OperateLeader",
    "ListMember",
    "OperateSchema",
    "GetSubTaskCfg",
    "GetCfg",
    "HandleError",
    "GetMasterCfg",
    "TransferSource",
    "OperateRelay",
    "StartValidation",
    "StopValidation",
    "GetValidationStatus",
    "GetValidationError",
    "OperateValidationError",
    "UpdateValidation",
    "Encrypt",
    "CheckProgress",
    // Those that `config export` asks for.
    "ListTaskConfigs",
    "ListSourceConfigs",
];

fuzz_target!(|data: &[u8]| {
    let Some((call, message)) = data.split_first() else { return };
    let call = CALLS[usize::from(*call) % CALLS.len()];
    let length = u32::try_from(message.len()).expect("an input is small").to_be_bytes();
    let frame = [&[0], &length[..], message].concat();
    master::run(|mut router| async move {
        let request = Request::post(format!("/pb.Master/{call}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Body::from(frame))
            .expect("a request");
        let answer = router.call(request).await.expect("it can't fail");
        assert_eq!(answer.status(), 200);
        let refused = answer.headers().get("grpc-status").map(|code| code.to_str().unwrap_or_default().to_owned());
        let why =
            answer.headers().get("grpc-message").and_then(|text| text.to_str().ok()).unwrap_or_default().to_owned();
        // What is no message is INTERNAL, as gRPC's libraries have it; what is understood gets a reply.
        assert!(refused.is_none_or(|code| code == "13" && why.contains("decode")), "{call}: {why}");
        let bytes = answer.into_body().collect().await.expect("a body").to_bytes();
        let shown = bytes.windows(master::PASSWORD.len()).any(|part| part == master::PASSWORD.as_bytes());
        assert!(!shown || call.ends_with("Configs"), "{call} shows a stored password");
    });
});
