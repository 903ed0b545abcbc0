//! `completion bash|zsh|fish`: a script for the shell. It asks `dmctl __complete` at each TAB, so it knows the commands,
//! flags, sources and tasks of today.

use crate::dmctl::{
    cobra::{Matches, Spec},
    completion,
    session::{Failure, Outcome, Session},
};

/// The command line.
pub const SPEC: Spec =
    Spec::new("completion <bash | zsh | fish>", "Prints the script with which a shell completes dmctl's command lines")
        .operations(&["bash", "zsh", "fish"])
        .unlisted();

/// What the scripts call.
pub const ASK: Spec = Spec::new("__complete [word ...]", "Lists what may stand behind the words").hidden();

const BASH: &str = r#"# bash completion for dmctl; load it with: source <(dmctl completion bash)
_dmctl() {
    local current="${COMP_WORDS[COMP_CWORD]}"
    local words
    words="$("${COMP_WORDS[0]}" __complete -- "${COMP_WORDS[@]:1:COMP_CWORD-1}" 2>/dev/null)"
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _dmctl dmctl
"#;

const ZSH: &str = r#"#compdef dmctl
# zsh completion for dmctl; load it with: source <(dmctl completion zsh)
_dmctl() {
    local -a candidates
    candidates=("${(@f)$("${words[1]}" __complete -- "${(@)words[2,CURRENT-1]}" 2>/dev/null)}")
    compadd -a candidates
    _files
}
compdef _dmctl dmctl
"#;

const FISH: &str = r#"# fish completion for dmctl; load it with: dmctl completion fish | source
function __dmctl_candidates
    set -l words (commandline -opc)
    $words[1] __complete -- $words[2..-1] 2>/dev/null
end
complete -c dmctl -a '(__dmctl_candidates)'
"#;

/// Prints the script.
pub fn run(session: &mut Session, matches: &Matches) -> Outcome {
    let script = match matches.args.as_slice() {
        [shell] if shell == "bash" => BASH,
        [shell] if shell == "zsh" => ZSH,
        [shell] if shell == "fish" => FISH,
        _ => return Err(Failure::Usage(String::new())),
    };
    session.line(script.trim_end());
    Ok(())
}

/// Prints candidates, a line each. Names need a master: without an answer there are just none.
pub async fn ask(session: &mut Session, matches: &Matches) -> Outcome {
    for candidate in completion::candidates(session, &matches.args).await {
        session.line(&candidate);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_asks_dmctl_for_candidates() {
        for script in [BASH, ZSH, FISH] {
            assert!(script.contains(" __complete -- ") && script.contains("dmctl completion "), "{script}");
        }
    }
}
