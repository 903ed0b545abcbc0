//! `-s 'mysql-*'` and `-s '~^mysql-[0-9]+$'`: patterns of source ids, for every command. Ours; DM takes ids only.

use crate::{
    dmctl::{
        cobra::Matches,
        session::{Failure, Session},
    },
    pb::{self, SourceOp},
    rules::selector::Selector,
};

fn is_pattern(text: &str) -> bool {
    text.starts_with('~') || text.contains(['*', '?'])
}

/// The call with each pattern of `-s` replaced by the sources that it fits; one that fits none is an error, since no
/// source means all of them to most commands.
pub async fn expanded(session: &mut Session, matches: &Matches) -> Result<Matches, Failure> {
    let given = matches.sources();
    if !given.iter().any(|text| is_pattern(text)) {
        return Ok(matches.clone());
    }
    let request = pb::OperateSourceRequest { op: SourceOp::ShowSource as i32, ..Default::default() };
    let known = session.rpc(request, |mut c, r| async move { c.operate_source(r).await }).await?;
    let ids: Vec<String> = known.sources.into_iter().map(|source| source.source).collect();
    let mut sources: Vec<String> = Vec::new();
    for text in given {
        let before = sources.len();
        if !is_pattern(&text) {
            sources.push(text);
            continue;
        }
        let pattern =
            Selector::new(&text, true).map_err(|why| Failure::Text(format!("the pattern {text:?} of -s: {why}")))?;
        sources.extend(ids.iter().filter(|id| pattern.matches(id)).cloned());
        if sources.len() == before {
            return Err(Failure::Text(format!("no source fits the pattern {text:?} of -s")));
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    sources.retain(|source| seen.insert(source.clone()));
    Ok(matches.with_sources(sources))
}
