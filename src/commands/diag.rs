//! `diag`: everything that helps to find out what is wrong with a cluster, in one file without secrets: members, states,
//! configurations with passwords hidden, and each node's version, metrics, actors and last log lines.

use std::{fmt::Write as _, io::Write as _};

use flate2::{Compression, write::GzEncoder};

use super::config_files::create_private;
use crate::{
    console::fetch,
    dmctl::{
        cobra::{Flag, Matches, Spec},
        json::{Style, print},
        session::{Failure, Outcome, Session},
    },
    observe::redact,
    pb::{self, CfgType, members::Member},
};

/// The command line.
pub const SPEC: Spec =
    Spec::new("diag [-f filename]", "Writes a bundle with the state of the cluster, without secrets")
        .unlisted()
        .flags(&[Flag::text("file", "", "the file to write; dm-diag-<time>.tar.gz if not given").short('f')]);

/// Pages of every node.
const PAGES: [&str; 5] = ["/status", "/metrics", "/readyz", "/debug/log", "/actors"];

/// Name and text of each file of the bundle.
type Files = Vec<(String, String)>;

/// Collects and writes; what can't be had is told in `missing.txt` of the bundle.
pub async fn run(session: &mut Session, matches: &Matches) -> Outcome {
    if !matches.args.is_empty() {
        return Err(Failure::Usage(String::new()));
    }
    let now = chrono::Local::now();
    let path = match matches.one("file") {
        "" => now.format("dm-diag-%Y%m%d-%H%M%S.tar.gz").to_string(),
        given => given.to_owned(),
    };
    let mut missing = String::new();
    let mut files = vec![(
        "summary.txt".to_owned(),
        format!("collected by dmctl at {}\n\n{}", now.format("%Y-%m-%d %H:%M:%S %:z"), super::version::block()),
    )];
    let request = pb::ListMemberRequest::default();
    let members = session.rpc(request, |mut c, r| async move { c.list_member(r).await }).await?;
    files.push(("members.json".into(), print(&members, Style::Dmctl)));
    let request = pb::QueryStatusListRequest { more: true, ..Default::default() };
    let status = session.rpc_in_time(request, |mut c, r| async move { c.query_status(r).await }).await;
    match status {
        Ok(status) => files.push(("status.json".into(), print(&status, Style::Dmctl))),
        Err(failure) => note(&mut missing, "status.json", failure),
    }
    let nodes = nodes(&members);
    configs(session, &nodes, &mut files, &mut missing).await;
    let security = session.security();
    for (name, _, address) in &nodes {
        for page in PAGES {
            match fetch::get(address, page, &security).await {
                Ok(text) => files.push((format!("{name}{page}.txt"), text)),
                // A worker has no actors of its own to show.
                Err(_) if page == "/actors" => {}
                Err(why) => note(&mut missing, &format!("{name}{page}"), Failure::Text(why)),
            }
        }
    }
    files.push(("missing.txt".into(), missing));
    let failed = |e: std::io::Error| Failure::Text(format!("can't write {path}: {e}"));
    let bundle = bundled(&files, now.timestamp()).map_err(failed)?;
    create_private(path.as_ref()).and_then(|mut file| file.write_all(&bundle)).map_err(failed)?;
    session.line(&format!("{} files are in `{path}`, without secrets", files.len()));
    Ok(())
}

fn note(missing: &mut String, what: &str, why: Failure) {
    let text = match why {
        Failure::Text(text) | Failure::Usage(text) | Failure::Refused(text) => text,
        Failure::Help | Failure::Printed => String::new(),
    };
    let _ = writeln!(missing, "{what}: {text}");
}

/// Name, kind and address of every node.
fn nodes(members: &pb::ListMemberResponse) -> Vec<(String, CfgType, String)> {
    let mut nodes = Vec::new();
    for member in &members.members {
        match &member.member {
            Some(Member::Master(list)) => nodes.extend(list.masters.iter().filter_map(|master| {
                let url = master.client_ur_ls.first()?;
                let address = url.rsplit_once("://").map_or(url.as_str(), |(_, address)| address);
                Some((master.name.clone(), CfgType::MasterType, address.to_owned()))
            })),
            Some(Member::Worker(list)) => {
                let worker = |w: &pb::WorkerInfo| (w.name.clone(), CfgType::WorkerType, w.addr.clone());
                nodes.extend(list.workers.iter().map(worker));
            }
            _ => {}
        }
    }
    nodes
}

async fn configs(session: &mut Session, nodes: &[(String, CfgType, String)], files: &mut Files, missing: &mut String) {
    let mut wanted: Vec<(CfgType, String)> = nodes.iter().map(|(name, kind, _)| (*kind, name.clone())).collect();
    match session.rpc((), |mut c, r| async move { c.list_source_configs(r).await }).await {
        Ok(reply) => wanted.extend(reply.source_configs.into_keys().map(|name| (CfgType::SourceType, name))),
        Err(why) => note(missing, "sources", why),
    }
    match session.rpc((), |mut c, r| async move { c.list_task_configs(r).await }).await {
        Ok(reply) => wanted.extend(reply.task_configs.into_keys().map(|name| (CfgType::TaskType, name))),
        Err(why) => note(missing, "tasks", why),
    }
    for (kind, name) in wanted {
        let path = format!("config/{}/{name}", kind.as_str_name());
        let request = pb::GetCfgRequest { r#type: kind as i32, name };
        match session.rpc_in_time(request, |mut c, r| async move { c.get_cfg(r).await }).await {
            Ok(reply) if reply.result => files.push((path, reply.cfg)),
            Ok(reply) => note(missing, &path, Failure::Text(reply.msg)),
            Err(why) => note(missing, &path, why),
        }
    }
}

/// A compressed archive (ustar). Every text goes through the same filter as the log.
fn bundled(files: &Files, time: i64) -> std::io::Result<Vec<u8>> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    for (name, text) in files {
        let text = redact(text);
        out.write_all(&header(name, text.len(), time))?;
        out.write_all(text.as_bytes())?;
        out.write_all(&vec![0; text.len().next_multiple_of(BLOCK) - text.len()])?;
    }
    out.write_all(&[0; 2 * BLOCK])?;
    out.finish()
}

const BLOCK: usize = 512;

fn header(name: &str, size: usize, time: i64) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| {
        header.iter_mut().skip(at).zip(bytes).for_each(|(place, byte)| *place = *byte);
    };
    // Names of users' things never lead out of the folder.
    let name = format!("dm-diag/{}", name.replace("..", "_"));
    put(0, name.bytes().take(100).collect::<Vec<_>>().as_slice());
    put(100, b"0000600\x000000000\x000000000\x00");
    put(124, format!("{size:011o}\0{time:011o}\0").as_bytes());
    put(148, b"        0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    let digits = format!("{sum:06o}\0 ");
    header.iter_mut().skip(148).zip(digits.bytes()).for_each(|(place, byte)| *place = byte);
    header
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_bundle_is_an_archive_without_secrets() {
        let files = vec![
            ("a.txt".to_owned(), "from:\n  password: s3cret\n".to_owned()),
            ("../../b".to_owned(), "x".repeat(600)),
        ];
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&bundled(&files, 1).unwrap()[..]).read_to_end(&mut plain).unwrap();
        assert_eq!(plain.len(), (1 + 1 + 1 + 2 + 2) * BLOCK);
        let text = String::from_utf8_lossy(&plain);
        assert!(text.starts_with("dm-diag/a.txt\0") && text.contains("password: ******") && !text.contains("s3cret"));
        assert!(text.contains("dm-diag/_/_/b\0"));
        let sum: u32 = plain[..148].iter().chain(&[b' '; 8]).chain(&plain[156..512]).map(|b| u32::from(*b)).sum();
        assert_eq!(&plain[148..154], format!("{sum:06o}").as_bytes());
    }
}
