//! The API with a cluster in memory behind it: every answer is checked against the document.

use std::sync::Arc;

use axum::body::Body;
use http_body_util::BodyExt;
use hyper::Request;
use serde_json::{Value, json};
use tonic::codegen::Service as _;

use super::{API, check, routes};
use crate::{
    commands::{
        cluster::{Cluster, SourceSpec},
        testing::MemoryCluster,
    },
    config::{MasterConfig, SourceConfig, TaskConfig},
    gateway::master::Service,
    pb::{self, master_server::Master},
};

struct Client {
    cluster: Arc<MemoryCluster>,
    router: axum::Router,
}

impl Client {
    async fn new() -> Client {
        let cluster = MemoryCluster::new();
        let yaml = "source-id: mysql-01\nenable-gtid: true\nflavor: mariadb\nserver-id: 429527115\n\
                    from:\n  host: 127.0.0.1\n  port: 1\n  user: root\n  password: s3cret\n";
        let yaml = SourceConfig::from_yaml(yaml).unwrap().to_yaml();
        cluster.add_source(SourceSpec { source_id: "mysql-01".into(), yaml }, None).await.unwrap();
        let config = Arc::new(MasterConfig { name: "master1".into(), ..MasterConfig::default() });
        let router = routes(Service { cluster: cluster.clone(), config });
        Client { cluster, router }
    }

    async fn send(&self, method: &str, path: &str, kind: &str, body: String) -> (u16, String) {
        let request = Request::builder().method(method).uri(format!("/api/v1{path}")).header("content-type", kind);
        let reply = self.router.clone().call(request.body(Body::from(body)).unwrap()).await.unwrap();
        let status = reply.status().as_u16();
        let kind = reply.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
        let bytes = reply.into_body().collect().await.unwrap().to_bytes();
        let wanted = if path == "/docs" { "text/html; charset=utf-8" } else { "application/json" };
        assert_eq!(kind.as_deref(), (!bytes.is_empty()).then_some(wanted), "{method} {path}");
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    /// A request whose answer must be one that the document has.
    async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let (status, text) = self.send(method, path, "application/json", text).await;
        let value: Value = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        let (operation, _) = API.find(method, path.split('?').next().unwrap()).unwrap();
        if status == 400 {
            assert!(value["error_msg"].is_string() && value["error_code"].is_u64() || value["error"].is_string());
            return (status, value);
        }
        let answer = operation.answers.iter().find(|(known, _)| *known == status);
        let (_, object) = answer.unwrap_or_else(|| panic!("{method} {path}: {status} {text}"));
        match object {
            Some(object) => check::check(&API.objects[object], &value).unwrap_or_else(|why| panic!("{path}: {why}")),
            None => assert!(text.is_empty() || operation.name == "document"),
        }
        (status, value)
    }
}

fn task() -> Value {
    json!({
        "name": "t1",
        "task_mode": "incremental",
        "shard_mode": "pessimistic",
        "meta_schema": "meta",
        "enhance_online_schema_change": true,
        "on_duplicate": "error",
        "ignore_checking_items": ["all"],
        "target_config": { "host": "127.0.0.1", "port": 4000, "user": "root", "password": "s3cret" },
        "binlog_filter_rule": { "no-drops": { "ignore_event": ["drop table"], "ignore_sql": ["^Drop"] } },
        "table_migrate_rule": [{
            "source": { "source_name": "mysql-01", "schema": "a", "table": "t_*" },
            "target": { "schema": "b", "table": "t" },
            "binlog_filter_rule": ["no-drops"],
        }],
        "source_config": {
            "full_migrate_conf": { "export_threads": 3, "import_threads": 5, "data_dir": "./x", "consistency": "none" },
            "incr_migrate_conf": { "repl_threads": 7, "repl_batch": 200, "safe_mode": true },
            "source_conf": [{ "source_name": "mysql-01", "binlog_name": "mysql-bin.000002", "binlog_pos": 4, "binlog_gtid": "" }],
        },
    })
}

#[test]
fn the_document_tells_every_operation_of_the_original() {
    let document = API.document();
    assert_eq!(API.operations.len(), 43);
    assert_eq!(document["openapi"], "3.0.0");
    let names: std::collections::BTreeSet<_> = API.operations.iter().map(|operation| operation.name).collect();
    assert_eq!(names.len(), API.operations.len());
    for operation in &API.operations {
        let described = &document["paths"][format!("/api/v1{}", operation.path)][operation.method.to_lowercase()];
        assert_eq!(described["operationId"], operation.name);
        let objects = operation.answers.iter().filter_map(|(_, object)| *object).chain(operation.body);
        objects.for_each(|object| assert!(API.objects.contains_key(object), "{object}"));
    }
    let text = document.to_string();
    let used = text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next());
    used.for_each(|name| assert!(API.objects.contains_key(name), "{name}"));
    assert_eq!(
        API.objects["Purge"]["properties"]["interval"],
        json!({"type": "integer", "format": "int64", "default": 3600})
    );
    assert_eq!(API.objects["Source"]["properties"]["password"]["nullable"], true);
}

#[test]
fn a_task_of_the_api_is_a_task_file_and_back() {
    let config = super::task_json::from_json(&task()).ok().unwrap();
    let again = TaskConfig::from_yaml(&config.to_yaml()).unwrap();
    assert_eq!(config, again);
    assert!(config.is_sharding && config.online_ddl && config.routes.len() == 1 && config.filters.len() == 1);
    assert_eq!(config.mydumpers["global"].threads, 3);
    assert_eq!(config.loaders["global"].on_duplicate_logical, "error");
    let instance = config.mysql_instances[0].as_ref().unwrap();
    assert_eq!(instance.meta.as_ref().unwrap().binlog_pos, 4);
    assert_eq!(config.block_allow_list[&instance.block_allow_list].do_tables[0].tbl_name, "t_*");
    let back = super::task_json::to_json(&config);
    assert_eq!(super::task_json::from_json(&back).ok().unwrap().mysql_instances.len(), 1);
    assert_eq!(back["table_migrate_rule"][0]["target"], json!({ "schema": "b", "table": "t" }));
    assert_eq!(back["table_migrate_rule"][0]["binlog_filter_rule"], json!(["filterRule-0"]));
    assert_eq!(back["source_config"]["full_migrate_conf"]["consistency"], "none");
    assert_eq!(back["source_config"]["incr_migrate_conf"], task()["source_config"]["incr_migrate_conf"]);
}

#[tokio::test]
async fn tasks_are_created_started_stopped_and_deleted() {
    let client = Client::new().await;
    let (status, created) = client.call("POST", "/tasks", json!({ "task": task() })).await;
    assert_eq!((status, &created["task"]["name"]), (201, &json!("t1")), "{created}");
    let stage = async || client.call("GET", "/tasks/t1/status", Value::Null).await.1["data"][0]["stage"].clone();
    assert_eq!(stage().await, "Stopped");
    assert_eq!(client.call("POST", "/tasks", json!({ "task": task() })).await.1["error_code"], 46014);
    let start = json!({ "start_time": "2021-10-21 00:01:00", "safe_mode_time_duration": "10s" });
    assert_eq!(client.call("POST", "/tasks/t1/start", start).await.0, 200);
    assert_eq!(stage().await, "Running");
    let config = &client.cluster.state().tasks["t1"].subtasks["mysql-01"].config;
    assert!(config.start_time.as_ref().unwrap().starts_with("2021-10-21 00:01:00#"));
    assert_eq!(config.syncer.safe_mode_duration, "10s");
    let running = client.call("PUT", "/tasks/t1", json!({ "task": task() })).await;
    assert_eq!((running.0, &running.1["error_code"]), (400, &json!(46035)));
    assert_eq!(client.call("DELETE", "/tasks/t1", Value::Null).await.1["error_code"], 49001);
    assert_eq!(client.call("POST", "/tasks/t1/stop", json!({})).await.0, 200);
    let mut changed = task();
    changed["source_config"]["incr_migrate_conf"]["repl_batch"] = 17.into();
    assert_eq!(client.call("PUT", "/tasks/t1", json!({ "task": changed })).await.0, 200);
    changed["task_mode"] = "full".into();
    assert_eq!(client.call("PUT", "/tasks/t1", json!({ "task": changed })).await.1["error_code"], 40081);
    let shown = client.call("GET", "/tasks/t1?with_status=true", Value::Null).await.1;
    assert_eq!(shown["source_config"]["incr_migrate_conf"]["repl_batch"], 17);
    assert_eq!(shown["status_list"][0]["sync_status"]["synced"], true);
    for (filter, count) in [("", 1), ("?stage=Stopped", 1), ("?stage=Running", 0), ("?source_name_list=nope", 0)] {
        assert_eq!(client.call("GET", &format!("/tasks{filter}"), Value::Null).await.1["total"], count, "{filter}");
    }
    assert_eq!(client.call("DELETE", "/tasks/t1?keep_meta=true", Value::Null).await.0, 204);
    assert_eq!(client.call("GET", "/tasks/t1", Value::Null).await.1["error_code"], 46018);
}

#[tokio::test]
async fn sources_are_shown_without_passwords_and_switched() {
    let client = Client::new().await;
    client.call("POST", "/tasks", json!({ "task": task() })).await;
    client.call("POST", "/tasks/t1/start", json!({})).await;
    let (status, shown) = client.call("GET", "/sources/mysql-01?with_status=true", Value::Null).await;
    assert_eq!((status, &shown["password"], &shown["task_name_list"]), (200, &json!("******"), &json!(["t1"])));
    assert_eq!(shown["status_list"][0]["worker_name"], "worker2");
    assert!(!client.call("GET", "/sources", Value::Null).await.1.to_string().contains("s3cret"));
    assert_eq!(client.call("GET", "/sources/nope", Value::Null).await, (404, Value::Null));
    assert_eq!(client.call("GET", "/sources?enable_relay=true", Value::Null).await.1["total"], 0);
    assert_eq!(client.call("POST", "/sources/mysql-01/disable", Value::Null).await.0, 200);
    assert_eq!(client.call("POST", "/tasks/t1/start", json!({})).await.1["error_code"], 38058);
    assert_eq!(client.call("POST", "/sources/mysql-01/enable", Value::Null).await.0, 200);
    assert_eq!(client.call("GET", "/tasks?stage=Running", Value::Null).await.1["total"], 1);
    let source = json!({ "source_name": "mysql-01", "host": "127.0.0.1", "port": 1, "user": "root",
        "enable_gtid": true, "enable": true });
    let (status, refused) = client.call("POST", "/sources", json!({ "source": source })).await;
    assert_eq!((status, &refused["error_code"]), (400, &json!(46007)));
    assert_eq!(client.call("DELETE", "/sources/mysql-01", Value::Null).await.1["error_code"], 46010);
    assert_eq!(client.call("DELETE", "/sources/mysql-01?force=true", Value::Null).await.0, 204);
    assert_eq!(client.call("GET", "/sources/mysql-01/status", Value::Null).await.1["error_code"], 46008);
}

#[tokio::test]
async fn templates_converters_and_the_cluster() {
    let client = Client::new().await;
    assert_eq!(client.call("POST", "/tasks/templates", task()).await.0, 201);
    assert_eq!(client.call("POST", "/tasks/templates", task()).await.1["error_code"], 20050);
    assert_eq!(client.call("GET", "/tasks/templates", Value::Null).await.1["total"], 1);
    assert_eq!(client.call("PUT", "/tasks/templates/t1", task()).await.0, 200);
    assert_eq!(client.call("DELETE", "/tasks/templates/t1", Value::Null).await.0, 204);
    assert_eq!(client.call("GET", "/tasks/templates/t1", Value::Null).await.1["error_code"], 20051);
    client.call("POST", "/tasks", json!({ "task": task() })).await;
    let imported = client.call("POST", "/tasks/templates/import", json!({ "overwrite": false })).await.1;
    assert_eq!(imported, json!({ "success_task_list": ["t1"], "failed_task_list": [] }));
    let file = client.call("POST", "/tasks/converters", json!({ "task": task() })).await.1;
    let back = json!({ "task_config_file": file["task_config_file"] });
    assert_eq!(client.call("POST", "/tasks/converters", back).await.1["task"]["name"], "t1");
    assert_eq!(client.call("POST", "/tasks/converters", json!({})).await.1["error_code"], 49001);
    let topology = json!({ "master_topology_list": [{ "name": "m", "host": "10.0.0.1", "port": 8261 }] });
    assert_eq!(client.call("PUT", "/cluster/info", topology.clone()).await.1["topology"], topology);
    assert_eq!(client.call("GET", "/cluster/info", Value::Null).await.1["cluster_id"], 1);
    assert_eq!(client.call("GET", "/dm.json", Value::Null).await.1["servers"][0]["url"], "http://10.0.0.1:8261");
    let masters = client.call("GET", "/cluster/masters", Value::Null).await.1;
    assert_eq!(masters["data"][0]["leader"], true);
    assert_eq!(client.call("GET", "/cluster/workers", Value::Null).await.1["total"], 2);
    let (status, page) = client.send("GET", "/docs", "", String::new()).await;
    // Nothing of the page comes from elsewhere.
    assert!(status == 200 && page.contains("/api/v1/dm.json") && !page.contains("http:") && !page.contains("https:"));
}

#[tokio::test]
async fn what_the_document_does_not_allow_is_refused_before_anything_happens() {
    let client = Client::new().await;
    for (method, path, kind, body, said) in [
        ("POST", "/sources", "application/json", "{}", "property \\\"source\\\" is missing"),
        ("POST", "/sources", "application/json", "{", "failed to decode request body"),
        ("POST", "/sources", "text/plain", "{}", "Content-Type"),
        ("POST", "/tasks/t/start", "application/json", "{\"remove_meta\": 1}", "boolean"),
        ("GET", "/tasks?stage=Jumping", "", "", "parameter \\\"stage\\\" in query"),
        ("GET", "/sources?with_status=maybe", "", "", "an invalid boolean"),
        ("GET", "/nope", "", "", "no matching operation"),
        ("PATCH", "/sources", "", "", "no matching operation"),
        ("GET", "", "", "", "no matching operation"),
    ] {
        let (status, text) = client.send(method, path, kind, body.to_owned()).await;
        assert!(status == 400 && text.starts_with("{\"error\":\"") && text.contains(said), "{method} {path}: {text}");
    }
    let mut wild = json!({ "task": task() });
    wild["task"]["target_config"]["port"] = 700_000.into();
    assert_eq!(client.call("POST", "/tasks", wild).await.1["error_code"], 49001);
    let structure = "/tasks/t1/sources/mysql-01/schemas/a%2Fb/%E4%BD%A0";
    assert_eq!(client.call("GET", structure, Value::Null).await.1["error_code"], 46018);
}

#[tokio::test]
async fn what_is_masked_in_an_answer_stays_when_it_is_written_back() {
    let client = Client::new().await;
    let mut given = task();
    given["target_config"]["security"] = json!({
        "ssl_ca_content": "ca", "ssl_cert_content": "cert", "ssl_key_content": "k3y", "cert_allowed_cn": [],
    });
    // The answer to a request is what the client itself wrote; every later one hides it.
    assert_eq!(client.call("POST", "/tasks", json!({ "task": given })).await.1["task"], given);
    client.call("POST", "/tasks/templates/import", json!({ "overwrite": false })).await;
    let mut seen = Vec::new();
    for path in ["/tasks", "/tasks/t1?with_status=true", "/tasks/templates", "/tasks/templates/t1"] {
        let (status, shown) = client.call("GET", path, Value::Null).await;
        let text = shown.to_string();
        assert!(status == 200 && !text.contains("s3cret") && !text.contains("k3y"), "{path}: {text}");
        let one = if shown["data"].is_array() { shown["data"][0].clone() } else { shown };
        assert_eq!(one["target_config"]["password"], "******", "{path}");
        assert_eq!(one["target_config"]["security"]["ssl_key_content"], "******", "{path}");
        seen.push(one);
    }
    let stored = || {
        let to = client.cluster.state().tasks["t1"].subtasks["mysql-01"].config.to.clone();
        (to.password.0, to.security.unwrap().ssl_key_bytes)
    };
    let kept = ("s3cret".to_owned(), b"k3y".to_vec());
    let mut changed = seen[1].clone();
    changed["source_config"]["incr_migrate_conf"]["repl_batch"] = 18.into();
    assert_eq!(client.call("PUT", "/tasks/t1", json!({ "task": changed })).await.0, 200);
    assert_eq!(stored(), kept);
    assert_eq!(client.cluster.state().tasks["t1"].subtasks["mysql-01"].config.syncer.batch, 18);
    // A template is written back, and a task made of it.
    assert_eq!(client.call("PUT", "/tasks/templates/t1", seen[3].clone()).await.0, 200);
    assert_eq!(client.call("DELETE", "/tasks/t1?keep_meta=true", Value::Null).await.0, 204);
    assert_eq!(client.call("POST", "/tasks", json!({ "task": seen[3] })).await.0, 201);
    assert_eq!(stored(), kept);
    // And a template of a task.
    assert_eq!(client.call("DELETE", "/tasks/templates/t1", Value::Null).await.0, 204);
    assert_eq!(client.call("POST", "/tasks/templates", seen[1].clone()).await.0, 201);
    assert!(client.cluster.state().documents["task-template/t1"].contains("s3cret"));
    // A new password is taken; a mask that stands for nothing, or for the secret of another target, is refused.
    given["target_config"]["password"] = "n3w".into();
    assert_eq!(client.call("PUT", "/tasks/t1", json!({ "task": given })).await.0, 200);
    assert_eq!(stored().0, "n3w");
    let mut elsewhere = seen[3].clone();
    elsewhere["target_config"]["host"] = "10.0.0.1".into();
    let refused = client.call("PUT", "/tasks/templates/t1", elsewhere.clone()).await.1;
    assert_eq!(refused["error_code"], 49001, "{refused}");
    elsewhere["name"] = "t2".into();
    let refused = client.call("POST", "/tasks", json!({ "task": elsewhere })).await.1;
    assert!(refused["error_msg"].as_str().unwrap().contains("/target_config/password is ******"), "{refused}");
}

#[tokio::test]
async fn dmctl_shows_a_template_as_a_task_file() {
    let client = Client::new().await;
    let service = Service { cluster: client.cluster.clone(), config: Arc::default() };
    let ask = async |name: &str| {
        let request = pb::GetCfgRequest { r#type: pb::CfgType::TaskTemplateType as i32, name: name.into() };
        service.get_cfg(tonic::Request::new(request)).await.unwrap().into_inner()
    };
    let mut given = task();
    given["target_config"]["security"] = json!({
        "ssl_ca_content": "ca", "ssl_cert_content": "cert", "ssl_key_content": "k3y", "cert_allowed_cn": [],
    });
    assert_eq!(client.call("POST", "/tasks/templates", given).await.0, 201);
    let shown = ask("t1").await;
    assert!(shown.result, "{}", shown.msg);
    let file = TaskConfig::from_yaml(&shown.cfg.replace("ssl-key-base64: '******'", "")).unwrap();
    assert_eq!((file.name.as_str(), file.target_database.unwrap().password.0.as_str()), ("t1", "******"));
    assert!(shown.cfg.contains("no-drops") && !shown.cfg.contains("s3cret"), "{}", shown.cfg);
    assert!(shown.cfg.contains("ssl-key-base64: '******'"), "{}", shown.cfg);
    let missing = ask("t2").await;
    assert!(!missing.result && missing.msg.starts_with("[code=20051:"), "{}", missing.msg);
}

#[test]
fn a_masked_key_of_a_source_stays() {
    let yaml = "source-id: s\nfrom:\n  host: h\n  port: 1\n  user: u\n  password: s3cret\n  security:\n    ssl-key-base64: azN5\n";
    let mut source = SourceConfig::from_yaml(yaml).unwrap();
    let shown = super::source_json::shown(&source, &MemoryCluster::new().state());
    assert!(shown["password"] == "******" && shown["security"]["ssl_key_content"] == "******", "{shown}");
    super::source_json::merge(&mut source, &shown).ok().unwrap();
    assert_eq!(source.from.password.0, "s3cret");
    assert_eq!(source.from.security.unwrap().ssl_key_bytes, b"k3y");
}
