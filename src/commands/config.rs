//! `config task|source|master|worker|task-template|export|import`.

use super::{config_files, get_config};
use crate::{
    dmctl::{
        cobra::{Flag, Matches, Spec},
        session::{Failure, Outcome, Session},
    },
    pb::CfgType,
};

const UPDATE: Spec = Spec::new("update <config-file>", "Updates a config").hidden();

/// The folder of `export` and `import` under its old name.
const DIR: Flag = Flag::text("dir", "", "specify the configs directory, default is `./configs`").short('d').hidden();

/// The command line.
pub const SPEC: Spec = Spec {
    flags: &[Flag::text("path", "", "specify the file path to export/import").short('p').inherited()],
    ..Spec::new("config", "Commands to import/export config").group(&[
        Spec::new("task [task-name]", "Shows the config of a task").with_subcommands(&[UPDATE]),
        Spec::new("source [source-name]", "Shows the config of a source").with_subcommands(&[UPDATE]),
        Spec::new("master [master-name]", "Shows the config of a master"),
        Spec::new("worker [worker-name]", "Shows the config of a worker"),
        Spec::new("task-template [task-template-name]", "Shows a task template"),
        Spec::new("export", "Exports the configs of sources and tasks").flags(&[DIR]),
        Spec::new("import", "Imports the configs of sources and tasks").flags(&[DIR]),
    ])
};

/// The dmctl side; the leader's is [`get_config::apply`].
pub async fn run(session: &mut Session, path: &[&str], matches: &Matches) -> Outcome {
    let kind = match path {
        ["task"] => CfgType::TaskType,
        ["source"] => CfgType::SourceType,
        ["master"] => CfgType::MasterType,
        ["worker"] => CfgType::WorkerType,
        ["task-template"] => CfgType::TaskTemplateType,
        ["export"] => return config_files::export(session, &folder(matches)).await,
        ["import"] => return config_files::import(session, &folder(matches)).await,
        [kind, ..] => return Err(Failure::Text(format!("`config {kind} update` is not supported yet"))),
        [] => return Err(Failure::Help),
    };
    let [name] = matches.args.as_slice() else { return Err(Failure::Help) };
    get_config::show(session, kind, name, matches.one("path")).await
}

fn folder(matches: &Matches) -> String {
    [matches.one("path"), matches.one("dir"), "configs"]
        .into_iter()
        .find(|dir| !dir.is_empty())
        .unwrap_or_default()
        .to_owned()
}
