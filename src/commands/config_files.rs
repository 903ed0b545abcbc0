//! `config export` and `config import`: the cluster's sources and tasks as a folder of files.

use std::{
    collections::HashMap,
    fs, io,
    io::Write as _,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use super::{cluster::Cluster, input::read_file};
use crate::{
    config::{Secret, SourceConfig, TaskConfig, secret},
    dmctl::session::{Failure, Outcome, Session},
    pb::{self, SourceOp},
};

/// Writes a file that only its owner reads; an older one is overwritten.
pub fn write_private(path: &Path, text: &str) -> io::Result<()> {
    create_private(path)?.write_all(text.as_bytes())
}

/// Opens such a file.
pub fn create_private(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)
}

/// Writes `tasks/<task>.yaml` and `sources/<source>.yaml` below a folder.
pub async fn export(session: &mut Session, dir: &str) -> Outcome {
    let tasks = session.rpc((), |mut c, r| async move { c.list_task_configs(r).await }).await?;
    let sources = session.rpc((), |mut c, r| async move { c.list_source_configs(r).await }).await?;
    for (result, msg) in [(tasks.result, &tasks.msg), (sources.result, &sources.msg)] {
        if !result {
            return Err(Failure::Text(msg.clone()));
        }
    }
    write_all(dir, "tasks", &tasks.task_configs)?;
    write_all(dir, "sources", &sources.source_configs)?;
    session.line(&format!("export configs to directory `{dir}` succeed"));
    Ok(())
}

fn write_all(dir: &str, kind: &str, texts: &HashMap<String, String>) -> Outcome {
    let folder = Path::new(dir).join(kind);
    let failed = |path: &Path, e: io::Error| Failure::Text(format!("can't write {}: {e}", path.display()));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(|e| failed(&folder, e))?;
    for (name, text) in texts {
        // A name is never a way out of the folder.
        let path = folder.join(format!("{}.yaml", name.replace('/', "_")));
        write_private(&path, text).map_err(|e| failed(&path, e))?;
    }
    Ok(())
}

/// Creates the sources, then the tasks, that a folder holds. What exists already counts as done.
pub async fn import(session: &mut Session, dir: &str) -> Outcome {
    let sources = read_all(dir, "sources")?;
    let tasks = read_all(dir, "tasks")?;
    session.line("start creating sources");
    for (path, config) in sources {
        let request =
            pb::OperateSourceRequest { op: SourceOp::StartSource as i32, config: vec![config], ..Default::default() };
        let reply = session.rpc(request, |mut c, r| async move { c.operate_source(r).await }).await?;
        done(&path, reply.result, &reply.msg)?;
    }
    if Path::new(dir).join("relay_workers.json").exists() {
        session.line("relay workers are not restored; start relay by hand where it is wanted");
    }
    session.line("start creating tasks");
    for (path, task) in tasks {
        let request = pb::StartTaskRequest { task, ..Default::default() };
        let reply = session.rpc(request, |mut c, r| async move { c.start_task(r).await }).await?;
        done(&path, reply.result, &reply.msg)?;
    }
    session.line(&format!("import configs from directory `{dir}` succeed"));
    Ok(())
}

fn done(path: &str, result: bool, msg: &str) -> Outcome {
    if result || msg.contains("already exist") {
        return Ok(());
    }
    Err(Failure::Text(format!("import of {path} failed: {msg}")))
}

/// The YAML files of a sub-folder by name; no folder, no files.
fn read_all(dir: &str, kind: &str) -> Result<Vec<(String, String)>, Failure> {
    if !Path::new(dir).is_dir() {
        return Err(Failure::Text(format!("config directory `{dir}` not exists")));
    }
    let Ok(entries) = fs::read_dir(Path::new(dir).join(kind)) else { return Ok(Vec::new()) };
    let mut paths: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.path().to_str().map(str::to_owned))
        .filter(|path| path.ends_with(".yaml") || path.ends_with(".yml"))
        .collect();
    paths.sort_unstable();
    paths.into_iter().map(|path| Ok((path.clone(), read_file(&path)?))).collect()
}

/// The leader's side of export: tasks as they were given, passwords under the cluster's newest key if it has one.
pub fn list_tasks(cluster: &dyn Cluster) -> pb::ListTaskConfigsResponse {
    let state = cluster.state();
    let shown = |yaml: &str| match TaskConfig::decode_yaml(yaml) {
        Ok(mut task) => exported(task.target_database.as_mut().map(|db| &mut db.password))
            .map_or_else(|| yaml.to_owned(), |()| task.to_yaml()),
        Err(_) => yaml.to_owned(),
    };
    let task_configs = state.tasks.iter().map(|(name, task)| (name.clone(), shown(&task.yaml))).collect();
    pb::ListTaskConfigsResponse { result: true, msg: String::new(), task_configs }
}

/// The leader's side of export: sources with what was detected when they were created.
pub fn list_sources(cluster: &dyn Cluster) -> pb::ListSourceConfigsResponse {
    let state = cluster.state();
    let shown = |yaml: &str| match SourceConfig::from_yaml(yaml) {
        Ok(mut source) => {
            exported(Some(&mut source.from.password)).map_or_else(|| yaml.to_owned(), |()| source.to_yaml())
        }
        Err(_) => yaml.to_owned(),
    };
    let source_configs = state.sources.iter().map(|(id, source)| (id.clone(), shown(&source.yaml))).collect();
    pb::ListSourceConfigsResponse { result: true, msg: String::new(), source_configs }
}

/// Encrypts a password under the newest key; `None` when nothing changes, so that the text can stay as it was written.
fn exported(password: Option<&mut Secret>) -> Option<()> {
    let password = password?;
    let newest = secret::for_export(password);
    (newest != *password).then(|| *password = newest)
}
