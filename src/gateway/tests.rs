//! The port with a cluster in memory behind it: HTTP pages, gateway paths, foreign clients, rubbish; and every
//! command of dmctl against it, compared with the files of tests/commands.

use std::{
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use prost::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    commands::testing::MemoryCluster,
    dmctl::one_shot,
    error::{EventClass, EventRef, Scope},
    mysql::position::BinlogPosition,
    pb::{
        self,
        etcd::{RangeRequest, kv_client::KvClient},
        master_client::MasterClient,
    },
};

struct Gateway {
    address: SocketAddr,
    cluster: Arc<MemoryCluster>,
    stop: CancellationToken,
    served: tokio::task::JoinHandle<Result<()>>,
}

async fn gateway() -> Gateway {
    gateway_of(MasterConfig { name: "master1".into(), ..MasterConfig::default() }).await
}

async fn gateway_of(config: MasterConfig) -> Gateway {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (cluster, stop) = (MemoryCluster::new(), CancellationToken::new());
    let served = tokio::spawn(serve_master(listener, cluster.clone(), Arc::new(config), stop.clone()));
    Gateway { address, cluster, stop, served }
}

/// One HTTP/1 request on its own connection: status line, then body.
async fn http(address: SocketAddr, method: &str, path: &str, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[tokio::test]
async fn pages_of_a_master() {
    let gateway = gateway().await;
    let get = async |path: &str| http(gateway.address, "GET", path, "").await;
    let (status, body) = get("/status").await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert_eq!(body, format!("{}\n", crate::config::version::block()));
    for page in ["/metrics", "/healthz", "/readyz", "/log-level", "/debug/log"] {
        assert_eq!(get(page).await.0, "HTTP/1.1 200 OK", "{page}");
    }
    let (status, why) = http(gateway.address, "PUT", "/log-level", "loud").await;
    assert!(status.contains("400") && why.contains("allowed: debug, info"), "{why}");
    assert!(get("/health").await.1.contains("\"health\":\"true\""));
    assert!(get("/actors").await.1.contains("running"));
    assert_eq!(get("/nope").await.0, "HTTP/1.1 404 Not Found");
    assert_eq!(get("/api/v1/sources").await.0, "HTTP/1.1 404 Not Found");
}

#[tokio::test]
async fn gateway_paths_answer_like_their_rpcs() {
    let gateway = gateway().await;
    let call = async |method: &str, path: &str, body: &str| {
        http(gateway.address, method, &format!("/apis/v1alpha1{path}"), body).await
    };
    let (status, body) = call("GET", "/status/cap", "").await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert_eq!(
        body,
        "{\n  \"result\": false,\n  \"msg\": \"task cap has no source or not exist\",\n  \"sources\": [\n  ]\n}"
    );
    let (_, members) = call("GET", "/members?leader=true&names=worker1", "").await;
    assert!(members.contains("\"leader\"") && !members.contains("\"workers\""), "{members}");
    let (_, members) = call("GET", "/members", "").await;
    assert!(members.contains("\"memberID\": \"5465094923844121336\""), "{members}");
    for op in ["2", "\"Pause\""] {
        let (status, body) = call("PUT", "/tasks/t", &format!("{{\"op\": {op}}}")).await;
        assert_eq!(status, "HTTP/1.1 200 OK");
        assert!(body.starts_with("{\n  \"op\": \"Pause\",\n  \"result\": false,"), "{body}");
    }
    let (_, cfg) = call("GET", "/tasks/master1?type=2", "").await;
    assert!(cfg.contains("\"result\": true") && cfg.contains("name = \\\"master1\\\""), "{cfg}");
    let (_, later) = call("PUT", "/leader/0", "").await;
    assert!(later.contains("[code=38041:"), "{later}");
    let (_, show) = call("PUT", "/sources", "{\"op\": \"ShowSource\"}").await;
    assert!(show.contains("\"result\": true"), "{show}");
}

#[tokio::test]
async fn wrong_gateway_requests_are_explained() {
    let gateway = gateway().await;
    for (method, path, body, status, fragment) in [
        ("PUT", "/tasks/t", "{", "400 Bad Request", "invalid JSON"),
        ("PUT", "/tasks/t", "{\"op\": \"Jump\"}", "400 Bad Request", "must be one of"),
        ("GET", "/members?nope=1", "", "400 Bad Request", "unknown field"),
        ("GET", "/nope", "", "404 Not Found", "Not Found"),
        ("POST", "/members", "", "501 Not Implemented", "Method Not Allowed"),
    ] {
        let (line, reply) = http(gateway.address, method, &format!("/apis/v1alpha1{path}"), body).await;
        assert_eq!(line, format!("HTTP/1.1 {status}"), "{method} {path}");
        assert!(reply.starts_with("{\n  \"code\": ") && reply.contains(fragment), "{reply}");
    }
}

#[tokio::test]
async fn every_rpc_answers_and_foreign_services_are_unimplemented() {
    let gateway = gateway().await;
    let url = format!("http://{}", gateway.address);
    let mut client = MasterClient::connect(url.clone()).await.unwrap();
    let reply = client.operate_leader(pb::OperateLeaderRequest { op: 1 }).await.unwrap().into_inner();
    assert!(reply.result && reply.msg.is_empty(), "{}", reply.msg);
    let reply = client.operate_leader(pb::OperateLeaderRequest { op: 9 }).await.unwrap().into_inner();
    assert!(!reply.result && reply.msg.contains("class=dm-master:"), "{}", reply.msg);
    let big = pb::CheckTaskRequest { task: "#".repeat(10 << 20), ..Default::default() };
    assert!(!client.check_task(big).await.unwrap().into_inner().result);
    assert!(client.get_master_cfg(pb::GetMasterCfgRequest {}).await.unwrap().into_inner().cfg.contains("master1"));

    let channel = tonic::transport::Endpoint::from_shared(url).unwrap().connect().await.unwrap();
    let mut foreign = tonic::client::Grpc::new(channel);
    foreign.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<pb::GetMasterCfgRequest, pb::GetMasterCfgResponse>::default();
    for path in ["/etcdserverpb.Lease/LeaseGrant", "/etcdserverpb.KV/Put", "/pb.Master/Nope"] {
        let path = path.parse().unwrap();
        let request = tonic::Request::new(pb::GetMasterCfgRequest {});
        let refused: tonic::Status = foreign.unary(request, path, codec.clone()).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::Unimplemented);
        foreign.ready().await.unwrap();
    }
}

#[tokio::test]
async fn the_etcd_client_of_another_dmctl_reads_relay_workers_only() {
    let gateway = gateway().await;
    let mut client = KvClient::connect(format!("http://{}", gateway.address)).await.unwrap();
    let range = |key: &str| RangeRequest { key: key.into(), range_end: key.replace('/', "0").into() };
    let reply = client.range(range("/dm-master/relay-worker/")).await.unwrap().into_inner();
    assert!(reply.header.is_some() && reply.kvs.is_empty() && reply.count == 0 && !reply.more);
    let refused = client.range(range("/dm-master/upstream/config/")).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unimplemented);
}

#[tokio::test]
async fn rubbish_ends_its_own_connection_only() {
    let gateway = gateway().await;
    let mut client = MasterClient::connect(format!("http://{}", gateway.address)).await.unwrap();
    for rubbish in [
        &b"\x00\x01\x02\xff\xfe\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ] {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(rubbish).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply).await;
    }
    let garbled = http(gateway.address, "POST", "/pb.Master/StartTask", "\u{1}\u{2}rubbish").await;
    assert!(garbled.0.starts_with("HTTP/1.1"), "{garbled:?}");
    let reply = client.list_member(pb::ListMemberRequest::default()).await.unwrap().into_inner();
    assert_eq!(reply.members.len(), 3);
}

#[tokio::test]
async fn stop_ends_serving_although_a_client_stays_connected() {
    let gateway = gateway().await;
    let mut client = MasterClient::connect(format!("http://{}", gateway.address)).await.unwrap();
    client.get_master_cfg(pb::GetMasterCfgRequest {}).await.unwrap();
    let silent = TcpStream::connect(gateway.address).await.unwrap();
    gateway.stop.cancel();
    tokio::time::timeout(serve::DRAIN_LIMIT * 3, gateway.served).await.unwrap().unwrap().unwrap();
    drop(silent);
}

#[tokio::test]
async fn dmctl_and_a_joining_worker_come_in_with_certificates() {
    let authority = crate::transport::tests::Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let security = authority.security("master");
    let config = Arc::new(MasterConfig { name: "master1".into(), security, ..MasterConfig::default() });
    tokio::spawn(serve_master(listener, MemoryCluster::new(), config, CancellationToken::new()));
    let client = authority.security("dmctl");
    let call = async |flags: &str| {
        let printed = Printed::default();
        let line = format!("{flags} list-member --leader");
        let args = line.split_whitespace().map(str::to_owned).collect();
        let finished = one_shot(args, &address, Box::new(printed.clone())).await;
        (finished, String::from_utf8(printed.0.lock().unwrap().clone()).unwrap())
    };
    let (ca, cert, key) = (&client.ssl_ca, &client.ssl_cert, &client.ssl_key);
    let (done, out) = call(&format!("--ssl-ca {ca} --ssl-cert {cert} -ssl-key={key}")).await;
    assert!(done.code == 0 && out.contains("\"name\": \"master1\""), "{done:?} {out}");
    for flags in ["".to_owned(), format!("--ssl-ca {ca}")] {
        let (refused, _) = call(&flags).await;
        assert!(refused.code == 1 && !refused.stderr.is_empty(), "{refused:?}");
    }
    let masters = [format!("https://{address}")];
    let joined = crate::node::join::register(&masters, "w9", "127.0.0.1:1", &authority.security("w9")).await;
    assert!(joined.is_ok());
}

struct View;

#[tonic::async_trait]
impl WorkerView for View {
    async fn query_status(&self, task: &str) -> pb::QueryStatusResponse {
        pb::QueryStatusResponse { result: true, msg: task.to_owned(), ..Default::default() }
    }

    fn config(&self) -> String {
        "name = \"w\"\n".to_owned()
    }
}

#[tokio::test]
async fn a_workers_port() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(serve_worker(listener, Arc::new(View), Security::default(), serve::Limits::default(), stop.clone()));
    assert_eq!(http(address, "GET", "/status", "").await.0, "HTTP/1.1 200 OK");
    assert_eq!(http(address, "GET", "/actors", "").await.0, "HTTP/1.1 404 Not Found");
    let mut client = pb::worker_client::WorkerClient::connect(format!("http://{address}")).await.unwrap();
    let status = client.query_status(pb::QueryStatusRequest { name: "t".into() }).await.unwrap().into_inner();
    assert_eq!(status.msg, "t");
    assert!(client.get_worker_cfg(pb::GetWorkerCfgRequest {}).await.unwrap().into_inner().cfg.contains("\"w\""));
    let refused = client.purge_relay(pb::PurgeRelayRequest::default()).await.unwrap().into_inner();
    assert!(!refused.result && !refused.encode_to_vec().is_empty());
}

/// What a command printed.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs dmctl and shows it as the golden files do.
async fn dmctl(gateway: &Gateway, folder: &Path, line: &str) -> String {
    let args = shlex::split(line).unwrap();
    let path = |arg: String| match folder.join(&arg).is_file() {
        true => folder.join(arg).to_str().unwrap().to_owned(),
        false => arg,
    };
    let printed = Printed::default();
    let finished =
        one_shot(args.into_iter().map(path).collect(), &gateway.address.to_string(), Box::new(printed.clone())).await;
    let out = String::from_utf8(printed.0.lock().unwrap().clone()).unwrap();
    let mut shown = format!("exit {}\n{out}", finished.code);
    if !finished.stderr.is_empty() {
        shown.push_str(&format!("--stderr--\n{}", finished.stderr));
    }
    // Errors name the file; where the golden files lie differs between machines.
    shown.replace(&format!("{}/", folder.display()), "")
}

/// Every `$ dmctl ...` of tests/commands/*.txt, in order, with what follows it up to the next one. With
/// `UPDATE_GOLDEN=1` the files are rewritten.
#[tokio::test]
async fn commands_print_what_the_golden_files_hold() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/commands");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "txt"));
    files.sort();
    assert!(files.len() >= 5, "golden files are missing");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    for file in files {
        let wanted = std::fs::read_to_string(&file).unwrap();
        let gateway = gateway().await;
        let mut got = String::new();
        for line in wanted.lines() {
            if let Some(command) = line.strip_prefix("$ dmctl ") {
                got.push_str(&format!("{line}\n{}\n", dmctl(&gateway, &folder, command).await));
            } else if let Some(event) = line.strip_prefix("# ") {
                got.push_str(&format!("{line}\n"));
                happen(&gateway, event).await;
            }
        }
        if update {
            std::fs::write(&file, got).unwrap();
        } else {
            assert_eq!(got, wanted, "{} (UPDATE_GOLDEN=1 rewrites it)", file.display());
        }
    }
}

#[tokio::test]
async fn what_is_exported_can_be_imported_elsewhere() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/commands");
    let target = tempfile::tempdir().unwrap();
    let dir = target.path().join("configs").to_str().unwrap().to_owned();
    let gateway = gateway().await;
    happen(&gateway, "source mysql-01 exists").await;
    dmctl(&gateway, &folder, "start-task cap.yaml").await;
    let exported = dmctl(&gateway, &folder, &format!("config export -p {dir}")).await;
    assert_eq!(exported, format!("exit 0\nexport configs to directory `{dir}` succeed\n"));
    let task = std::fs::read_to_string(format!("{dir}/tasks/cap.yaml")).unwrap();
    assert_eq!(task, std::fs::read_to_string(folder.join("cap.yaml")).unwrap());
    use std::os::unix::fs::PermissionsExt;
    let source = std::fs::metadata(format!("{dir}/sources/mysql-01.yaml")).unwrap();
    assert_eq!(source.permissions().mode() & 0o777, 0o600);

    // Here both exist, which counts as done; a task that is gone comes back.
    dmctl(&gateway, &folder, "stop-task cap").await;
    let imported = dmctl(&gateway, &folder, &format!("config import -d {dir}")).await;
    assert!(imported.ends_with(&format!("import configs from directory `{dir}` succeed\n")), "{imported}");
    assert!(gateway.cluster.state().tasks.contains_key("cap"));
    std::fs::write(format!("{dir}/tasks/broken.yaml"), "nope: 1\n").unwrap();
    let failed = dmctl(&gateway, &folder, &format!("config import -d {dir}")).await;
    assert!(failed.starts_with("exit 1\n") && failed.contains("broken.yaml failed: [code=20003:"), "{failed}");
    let missing = dmctl(&gateway, &folder, "config import -p /nonexistent").await;
    assert!(missing.contains("config directory `/nonexistent` not exists"), "{missing}");
}

/// What no command can bring about here, because there is no database.
async fn happen(gateway: &Gateway, event: &str) {
    let source = "source-id: mysql-01\nenable-gtid: true\nflavor: mariadb\nserver-id: 429527115\n\
                  from:\n  host: 127.0.0.1\n  port: 3407\n  user: root\n  password: secret\n";
    match event {
        "source mysql-01 exists" => {
            let yaml = crate::config::SourceConfig::from_yaml(source).unwrap().to_yaml();
            let spec = crate::commands::cluster::SourceSpec { source_id: "mysql-01".into(), yaml };
            gateway.cluster.add_source(spec, None).await.unwrap();
        }
        "the task fails" => gateway.cluster.fail(
            DmError::new(Code::SchemaTrackerCannotFetchDownstreamTable)
                .scope(Scope::Downstream)
                .msg("cannot fetch downstream table schema of `cap`.`t2`")
                .cause("Error 1146 (42S02): Table 'cap.t2' doesn't exist")
                .workaround(""),
        ),
        "a statement fails" => {
            let position = BinlogPosition::new("mysql-bin.000002", 739_345_443);
            let event = EventRef {
                position,
                gtid: "0-3407-94939".into(),
                class: EventClass::Statement,
                step: 0,
                injected: false,
            };
            let error = DmError::new(Code::SchemaTrackerCannotFetchDownstreamTable).msg("why").at_event(event);
            gateway.cluster.fail(error);
        }
        other => panic!("unknown event {other:?}"),
    }
}
