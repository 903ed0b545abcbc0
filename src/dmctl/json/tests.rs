use super::*;
use crate::pb;

#[test]
fn fields_are_numbered_in_order_of_declaration() {
    for message in POOL.all_messages() {
        let declared: Vec<u32> = message.descriptor_proto().field.iter().map(|f| f.number().unsigned_abs()).collect();
        let listed: Vec<u32> = message.fields().map(|f| f.number()).collect();
        assert_eq!(declared, listed, "{}", message.full_name());
    }
    assert!(POOL.get_message_by_name("pb.StartTaskRequest").is_some());
}

#[test]
fn every_rule_of_printing() {
    let status = pb::QueryStatusListResponse {
        result: true,
        msg: "a<b>&\"c\"\n\u{2028}ü".into(),
        sources: vec![pb::QueryStatusResponse {
            result: true,
            msg: String::new(),
            source_status: None,
            sub_task_status: vec![pb::SubTaskStatus {
                name: "t".into(),
                stage: pb::Stage::Paused as i32,
                unit: pb::UnitType::Dump as i32,
                result: Some(pb::ProcessResult { is_canceled: false, errors: vec![], detail: b"{}a".to_vec() }),
                status: Some(pb::sub_task_status::Status::Dump(pb::DumpStatus {
                    total_tables: 3,
                    completed_tables: 1.0,
                    finished_bytes: 1.5e22,
                    finished_rows: 0.25,
                    ..Default::default()
                })),
                ..Default::default()
            }],
        }],
    };
    let wanted = r#"{
    "result": true,
    "msg": "a\u003cb\u003e\u0026\"c\"\n\u2028ü",
    "sources": [
        {
            "result": true,
            "msg": "",
            "sourceStatus": null,
            "subTaskStatus": [
                {
                    "name": "t",
                    "stage": "Paused",
                    "unit": "Dump",
                    "result": {
                        "isCanceled": false,
                        "errors": [
                        ],
                        "detail": "e31h"
                    },
                    "unresolvedDDLLockID": "",
                    "dump": {
                        "totalTables": "3",
                        "completedTables": 1,
                        "finishedBytes": 1.5e+22,
                        "finishedRows": 0.25,
                        "estimateTotalRows": 0,
                        "bps": "0",
                        "progress": ""
                    },
                    "validation": null
                }
            ]
        }
    ]
}"#;
    assert_eq!(print(&status, Style::Dmctl), wanted);
}

#[test]
fn the_gateway_keeps_proto_names_and_two_blanks() {
    let request = pb::StartValidationRequest {
        mode: Some(pb::start_validation_request::Mode::ModeValue("full".into())),
        ..Default::default()
    };
    assert_eq!(
        print(&request, Style::Gateway),
        "{\n  \"mode_value\": \"full\",\n  \"sources\": [\n  ],\n  \"taskName\": \"\"\n}"
    );
    assert!(print(&request, Style::Dmctl).contains("\"modeValue\""));
    assert_eq!(print(&pb::GetMasterCfgRequest {}, Style::Dmctl), "{\n}");
}

#[test]
fn maps_are_sorted_and_empty_ones_take_two_lines() {
    let mut reply = pb::ListTaskConfigsResponse { result: true, ..Default::default() };
    assert!(print(&reply, Style::Dmctl).ends_with("\"taskConfigs\": {\n    }\n}"));
    reply.task_configs = [("b", "2"), ("a", "1")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    assert!(print(&reply, Style::Dmctl).ends_with("{\n        \"a\": \"1\",\n        \"b\": \"2\"\n    }\n}"));
}

#[test]
fn a_check_report_stands_raw() {
    let report = "only warnings\n detail: {\n\t\t\"results\": []\n\t}";
    let reply = pb::CheckTaskResponse { result: true, msg: report.into() };
    assert_eq!(
        print_with_report(&reply),
        "{\n    \"result\": true,\n    \"msg\": \"only warnings\n    \tdetail: {\n\t\t\"results\": []\n\t}\"\n}"
    );
    assert!(print(&reply, Style::Dmctl).contains("\\n detail"));
}

#[test]
fn bodies_and_parameters_become_messages() {
    let by_name: pb::OperateTaskRequest = parse(r#"{"op": "Pause", "sources": ["s1"]}"#, &vec![]).unwrap();
    let by_number: pb::OperateTaskRequest =
        parse(r#"{"op": 2}"#, &vec![("sources".into(), "s1".into()), ("name".into(), "t".into())]).unwrap();
    assert_eq!(by_name.op, pb::TaskOp::Pause as i32);
    assert_eq!(
        (by_number.op, by_number.name.as_str(), by_number.sources.as_slice()),
        (2, "t", ["s1".into()].as_slice())
    );
    let quoted: pb::CheckTaskRequest = parse(r#"{"errCnt": "12", "warnCnt": -1}"#, &vec![]).unwrap();
    assert_eq!((quoted.err_cnt, quoted.warn_cnt), (12, -1));
    let members: pb::ListMemberRequest =
        parse("", &vec![("leader".into(), "true".into()), ("names".into(), "w".into())]).unwrap();
    assert!(members.leader && members.names == ["w"]);
    let oneof: pb::StartValidationRequest = parse(r#"{"modeValue": "fast"}"#, &vec![]).unwrap();
    assert_eq!(oneof.mode, Some(pb::start_validation_request::Mode::ModeValue("fast".into())));
    let bytes: pb::RegisterWorkerResponse = parse(r#"{"secretKey": "e31h"}"#, &vec![]).unwrap();
    assert_eq!(bytes.secret_key, b"{}a");
}

#[test]
fn wrong_bodies_are_explained() {
    for (body, fragment) in [
        ("{", "invalid JSON"),
        ("[]", "must be a JSON object"),
        (r#"{"nope": 1}"#, "unknown field \"nope\""),
        (r#"{"op": "Jump"}"#, "must be one of InvalidOp, Stop"),
        (r#"{"sources": "s1"}"#, "must be a list"),
        (r#"{"name": 7}"#, "must be a string"),
        (r#"{"name": {}}"#, "must be a string"),
    ] {
        let error = parse::<pb::OperateTaskRequest>(body, &vec![]).unwrap_err();
        assert!(error.contains(fragment), "{body}: {error}");
    }
}

#[test]
fn plain_json_is_indented_as_go_does() {
    let value = serde_json::json!({"result": true, "tasks": [], "list": ["<a>"], "map": {}});
    assert_eq!(
        print_plain(&value),
        "{\n    \"result\": true,\n    \"tasks\": [],\n    \"list\": [\n        \"\\u003ca\\u003e\"\n    ],\n    \"map\": {}\n}"
    );
}
