use super::*;

const START: Spec = Spec::new("start <file>", "Starts.").flags(&[
    Flag::switch("remove-meta", "removes"),
    Flag::switch_on("flush", "flushes"),
    Flag::int("error", 10, "count").short('e'),
    Flag::text("start-time", "", "a time"),
    Flag::text("dir", "x", "a folder").hidden(),
]);
const GROUP: Spec = Spec::new("group", "Groups.").group(&[Spec::new("export", "Exports.")]);
const OLD: Spec = Spec::new("startle", "Old.").hidden().aliases(&["old-startle"]);
const TOOL: Tool = Tool {
    name: "tool",
    about: "A tool",
    flags: &[
        Flag::list("source", "sources").short('s').inherited(),
        Flag::switch("version", "version").short('V').inherited(),
        Flag::text("addr", "a:1", "address").inherited(),
    ],
    commands: &[START, GROUP, OLD],
    runs: true,
};

fn call(line: &str) -> Result<Parsed, ParseError> {
    parse(&TOOL, &line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
}

#[test]
fn flags_stand_anywhere() {
    let parsed = call("--addr=b:2 -s a,b start -e -3 file --source c --remove-meta --flush=false").unwrap();
    assert_eq!(parsed.path.iter().map(|s| s.name()).collect::<Vec<_>>(), ["start"]);
    let matches = parsed.matches;
    assert_eq!(
        (matches.args.as_slice(), matches.sources()),
        (["file".to_owned()].as_slice(), vec!["a".into(), "b".into(), "c".into()])
    );
    assert_eq!((matches.int("error"), matches.is("remove-meta"), matches.is("flush")), (-3, true, false));
    assert_eq!((matches.one("addr"), matches.given("addr"), matches.given("start-time")), ("b:2", true, false));
    assert_eq!(call("start -Ve5 -- -x").unwrap().matches.args, ["-x"]);
    let old = call("old-startle").unwrap();
    assert_eq!((old.path[0].name(), old.matches.called_as.as_str()), ("startle", "old-startle"));
    assert!(call("").unwrap().path.is_empty());
}

#[test]
fn help_is_asked_for_by_flag_or_by_naming_a_group() {
    assert!(call("start -h --nope").unwrap().wants_help);
    assert!(call("group").unwrap().wants_help);
    assert!(call("group nope").unwrap().wants_help);
    let export = call("group export").unwrap();
    assert!(!export.wants_help);
    assert_eq!(export.path.len(), 2);
}

#[test]
fn mistakes_are_named() {
    for (line, text) in [
        ("start --nope", "unknown flag: --nope"),
        ("start -x", "unknown shorthand flag: 'x' in -x"),
        ("start --error", "flag needs an argument: --error"),
        ("start -e", "flag needs an argument: 'e' in -e"),
        (
            "start -e x",
            "invalid argument \"x\" for \"-e, --error\" flag: strconv.ParseInt: parsing \"x\": invalid syntax",
        ),
        (
            "start --flush=x",
            "invalid argument \"x\" for \"--flush\" flag: strconv.ParseBool: parsing \"x\": invalid syntax",
        ),
        ("start ---x", "bad flag syntax: ---x"),
        ("nope", "unknown command \"nope\" for \"tool\""),
        ("strat", "unknown command \"strat\" for \"tool\"\n\nDid you mean this?\n\tstart\n"),
        ("gr", "unknown command \"gr\" for \"tool\"\n\nDid you mean this?\n\tgroup\n"),
    ] {
        let error = call(line).unwrap_err();
        assert_eq!(error.text, text);
        assert_eq!(error.no_command, text.starts_with("unknown command"));
    }
}

#[test]
fn usage_texts_have_the_known_layout() {
    let start = call("start").unwrap().path;
    assert_eq!(
        usage(&TOOL, &start),
        "Usage:\n  tool start <file> [flags]\n\nFlags:\n  -e, --error int           count (default 10)\n      \
         --flush               flushes (default true)\n  -h, --help                help for start\n      \
         --remove-meta         removes\n      --start-time string   a time\n\nGlobal Flags:\n      \
         --addr string      address (default \"a:1\")\n  -s, --source strings   sources\n  -V, --version          version\n"
    );
    assert_eq!(
        help(&TOOL, &[]),
        "A tool\n\nUsage:\n  tool [flags]\n  tool [command]\n\nAvailable Commands:\n  group       Groups.\n  \
         help        Gets help about any command\n  start       Starts.\n\nFlags:\n      --addr string      address \
         (default \"a:1\")\n  -h, --help             help for tool\n  -s, --source strings   sources\n  \
         -V, --version          version\n\nUse \"tool [command] --help\" for more information about a command.\n"
    );
    let prompt = Tool { runs: false, ..TOOL };
    assert!(help(&prompt, &[]).starts_with("A tool\n\nUsage:\n  tool [command]\n\nAvailable"));
    let group = call("group").unwrap().path;
    assert!(
        usage(&TOOL, &group)
            .starts_with("Usage:\n  tool group [command]\n\nAvailable Commands:\n  export      Exports.\n")
    );
}
