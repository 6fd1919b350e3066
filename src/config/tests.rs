use super::database::Mode;
use super::*;

fn parse(line: &str) -> Result<Config, ConfigError> {
    let words = line.split(' ').filter(|word| !word.is_empty());
    Config::from_args_in(words.map(|word| OsString::from(word.replace('~', " "))), Path::new("/start"))
}

fn config(line: &str) -> Config {
    parse(line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// The error text and whether it belongs on standard error with exit status 1.
fn refusal(line: &str) -> String {
    let error = parse(line).map(|_| ()).expect_err(line);
    assert_eq!(error.exit_status(), 1, "{line}");
    assert!(!error.is_answer(), "{line}");
    error.to_string()
}

#[test]
fn defaults() {
    let config = config("/usr/bin/lcnode");
    let database = PathBuf::from("/start/lcnode.tch");
    let expected = Config {
        identity: Identity::Lcnode,
        listen: Listen::Tcp { host: None, port: 1978 },
        listen_is_given: false,
        threads: event_loops(None),
        segment_size: 64 << 20,
        timeout: None,
        database: DatabaseSpec {
            kind: DatabaseKind::Directory(database),
            name: "lcnode.tch".to_owned(),
            bnum: None,
            capnum: None,
            capsiz: None,
            mode: Mode { write: true, create: true, truncate: false },
            ignored: vec![],
        },
        sync: SyncMode::Every(Duration::from_millis(100)),
        backup_dir: None,
        allowed_commands: Vec::new(),
        command_timeout: Some(Duration::from_secs(3600)),
        max_value: 256 << 20,
        max_key: 256 << 20,
        max_buffered: 1 << 30,
        honours_exptime: false,
        mask: Mask::NONE,
        daemon: false,
        pid_file: None,
        replace_running: false,
        server_id: 0,
        replication: ReplicationConfig {
            masters: vec![],
            named_master: None,
            follow: true,
            keep_bytes: 4 << 30,
            keep_for: Duration::from_secs(7 * 86_400),
            max_skew: Duration::from_secs(10),
            time_stamp_file: None,
            check_consistency: false,
            update_logs: None,
        },
        admin: None,
        slow_log: None,
        log_target: LogTarget::Stdout,
        log_form: LogForm::Text,
        levels: Levels::INFO,
        scripts: ScriptConfig {
            sources: vec![],
            periodic: vec![],
            machines: 8,
            max_time: Duration::from_secs(10),
            max_instructions: 1_000_000_000,
            max_memory: 64 << 20,
            max_stash: 256 << 20,
            files: false,
            processes: false,
            tolerant: false,
        },
        notes: vec![],
    };
    assert_eq!(config, expected);
    assert_eq!(self::config("ttserver").database.kind, DatabaseKind::Memory);
}

#[test]
fn both_spellings_mean_the_same() {
    for (original, modern) in [
        ("-host h -port 1979 -thnum 3 -tout 5", "--host=h --port=1979 --thnum=3 --tout=5"),
        ("-dmn -pid p -kl -log l -ld", "--dmn --pid p --kl --log l --ld"),
        ("-mask put,get -unmask get -sid 7", "--mask put,get --unmask get --sid 7"),
        ("-port -1 -host sock", "--port=-1 --host sock"),
    ] {
        assert_eq!(config(&format!("lcnode {original} a.tch")), config(&format!("lcnode {modern} a.tch")));
        assert_eq!(config(&format!("lcnode {original} a.tch")), config(&format!("lcnode a.tch {modern}")));
    }
}

#[test]
fn the_line_of_lightclouds_manager_starts_as_ttserver() {
    let line = "/opt/bin/ttserver -host 127.0.0.1 -port 41201 -mhost 127.0.0.1 -mport 51201 -pid /d/lookup1_A.pid -dmn \
                -le -ulog /d/logs/1/ -sid 1 -rts /d/data/1.rts -ulim 128m -ext /m/extensions/our.lua -thnum 6 \
                -tout 5 /d/data/1.tch#bnum=1000000#fpow=13#opts=ld";
    let config = config(line);
    assert_eq!(config.listen, Listen::Tcp { host: Some("127.0.0.1".to_owned()), port: 41201 });
    assert_eq!((config.threads, config.timeout), (event_loops(Some(6)), Some(Duration::from_secs(5))));
    assert_eq!((config.daemon, config.levels, config.server_id), (true, Levels::ERROR, 1));
    assert_eq!(config.pid_file, Some(PathBuf::from("/d/lookup1_A.pid")));
    assert_eq!(config.log_target, LogTarget::Discard);
    assert_eq!(config.database.name, "/d/data/1.tch");
    assert_eq!(config.database.bnum, Some(1_000_000));
    assert_eq!(config.database.ignored, ["fpow=13", "opts=ld"]);
    assert_eq!(config.scripts.sources, [ScriptSource::File(PathBuf::from("/m/extensions/our.lua"))]);
    assert!(config.scripts.tolerant, "a broken script does not keep the original from starting");
    assert_eq!(config.notes, [""; 0]);
    assert_eq!(
        config.replication,
        ReplicationConfig {
            named_master: Some(MasterAddress { host: "127.0.0.1".to_owned(), port: 51_201 }),
            keep_bytes: 128 << 20,
            time_stamp_file: Some(PathBuf::from("/d/data/1.rts")),
            update_logs: Some(PathBuf::from("/d/logs/1/")),
            ..self::config("lcnode").replication
        }
    );
    let debug = line.replace("-le", "-ld -log /d/logs/1/debug_log -uas");
    let debug = self::config(&debug);
    assert_eq!(debug.levels, Levels::DEBUG);
    assert_eq!(debug.log_target, LogTarget::File(PathBuf::from("/d/logs/1/debug_log")));
    assert_eq!(debug.notes, ["-uas has no effect: the log is always written in the background"]);
}

#[test]
fn scripts() {
    let config = config(
        "lcnode -ext a.lua -ext @return~1 -extpc tidy 1.5 -extpc log -1 --ext-allow files --ext-max-memory 2m \
         --ext-max-time 0.5 a.tch",
    );
    let scripts = config.scripts;
    let code = ScriptSource::Code(b"return 1".to_vec());
    assert_eq!(scripts.sources, [ScriptSource::File(PathBuf::from("/start/a.lua")), code]);
    assert_eq!(scripts.periodic, [Periodic { name: "tidy".to_owned(), period: Duration::from_millis(1500) }]);
    assert_eq!((scripts.max_memory, scripts.max_time), (2 << 20, Duration::from_millis(500)));
    assert_eq!((scripts.files, scripts.processes, scripts.tolerant), (true, false, false));
    assert_eq!(config.notes, ["-extpc log -1 never runs"]);
    let alone = self::config("lcnode -extpc tidy 1 a.tch");
    assert_eq!(alone.notes, ["-extpc tidy has no effect without -ext"]);
}

#[test]
fn what_can_mean_nothing_here_is_refused() {
    for options in ["-skel lib.so", "-mul 4"] {
        for program in ["lcnode", "ttserver"] {
            let error = refusal(&format!("{program} {options} a.tch"));
            assert!(error.contains("leave the option out"), "{error}");
        }
    }
}

#[test]
fn bad_lines_are_refused_with_the_usage() {
    for (line, part) in [
        ("lcnode --prot 5", "unexpected argument '--prot'"),
        ("lcnode -prot 5", "'--port'"),
        ("lcnode -x", "'-x'"),
        ("lcnode -port", "a value is required for '--port"),
        ("lcnode -pid -dmn a.tch", "a value is required for '--pid"),
        ("lcnode -port 12x", "invalid digit"),
        ("lcnode -port 65536", "65536"),
        ("lcnode -port 0", "--port 0: needs --host"),
        ("lcnode -thnum 0", "0 is not in 1..=4096"),
        ("lcnode -tout -1", "write seconds"),
        ("lcnode -sid 65536", "65536"),
        ("lcnode -mport 0", "0 is not in 1..="),
        ("lcnode -mport 65536", "65536"),
        ("lcnode -mhost a~b", "not the name or address"),
        ("lcnode --master db2", "write HOST:PORT"),
        ("lcnode --master fd00::2:1978", "[fd00::2]:1978"),
        ("lcnode --master db2:0", "write HOST:PORT"),
        ("lcnode -ulim 1q", "--ulim 1q: not a size"),
        ("lcnode -ulim 0", "--ulim 0: a size must be between 1"),
        ("lcnode -ulim 4g,0d", "--ulim 4g,0d: write days as 7d"),
        ("lcnode -ext a.lua -extpc f soon", "soon is no number of seconds"),
        ("lcnode -ext a.lua -extpc f", "-extpc"),
        ("lcnode --ext-max-memory 1k", "a size must be between"),
        ("lcnode --ext-max-time 0", "write seconds from 0.001"),
        ("lcnode --ext-machines 0", "0 is not in 1..=256"),
        ("lcnode --ext-allow all", "files, processes"),
        ("lcnode --max-skew 0", "write seconds from 1 to 86400"),
        ("lcnode --sync maybe", "write always, never, or an interval"),
        ("lcnode --max-value 12q", "not a size"),
        ("lcnode --max-value 2g", "between 1 and 2147483647"),
        ("lcnode --max-key 0", "between 1"),
        ("lcnode --max-buffered 1m", "--max-buffered 1048576 cannot hold a request"),
        ("lcnode a.tch b.tch", "unexpected argument 'b.tch'"),
        ("lcnode -pid= a.tch", "a value is required"),
        ("lcnode -extpc f", "2 values required"),
    ] {
        let error = refusal(line);
        assert!(error.contains(part), "{line}: {error}");
        assert!(
            error.contains("Usage: lcnode [OPTIONS] [DB]") || error.contains("--help"),
            "{line}: {error}"
        );
    }
    assert!(refusal("lcnode casket.tcb").contains("only hash databases"));
    assert!(refusal("ttserver -prot 5").contains("Usage: ttserver"));
}

#[test]
fn the_last_one_counts() {
    let config =
        config("lcnode -port 1 -port 2 -ld -le -dmn -dmn -log a -log b --sync never --sync always a.tch");
    assert_eq!(config.listen, Listen::Tcp { host: None, port: 2 });
    assert_eq!(config.levels, Levels::ERROR);
    assert_eq!(config.log_target, LogTarget::File(PathBuf::from("/start/b")));
    assert_eq!(config.sync, SyncMode::Always);
    assert_eq!(self::config("lcnode -le -ld -ld").levels, Levels::DEBUG);
}

#[test]
fn levels_of_the_log() {
    for (options, levels) in [
        ("-log-level warn", "warn"),
        ("--log-level error,replication=debug", "error,replication=debug"),
        ("-ld --log-level warn", "warn"),
        ("--log-level warn -ld", "debug"),
        ("--log-level server=debug -le", "error"),
        ("-le -ld --log-level warn --log-level storage=debug", "info,storage=debug"),
    ] {
        assert_eq!(config(&format!("lcnode {options}")).levels.to_string(), levels, "{options}");
    }
    assert_eq!(config("lcnode -log-format json").log_form, LogForm::Json);
    assert!(refusal("lcnode --log-level lcnode=debug").contains("the parts are admin, commands, process,"));
    assert!(refusal("lcnode --log-format xml").contains("json"));
}

#[test]
fn masks_work_from_left_to_right() {
    for (options, mask) in [
        ("", 0),
        ("-mask put,get", 0x41),
        ("-mask put -unmask put -mask get", 0x40),
        ("-mask all -unmask get", !0x40),
        ("-unmask get -mask get", 0x40),
        ("-mask allread -unmask get", 0x4000_0000),
        ("-mask 0xff -unmask put~get -mask=0x40", 0xfe),
    ] {
        assert_eq!(config(&format!("lcnode {options} a.tch")).mask, Mask(mask), "{options}");
    }
    let config = config("lcnode -mask puts,get -unmask x a.tch");
    assert_eq!(config.notes, ["mask: puts names no command", "mask: x names no command"]);
}

#[test]
fn whom_a_node_follows() {
    let shown = |line: &str| {
        let config = config(line);
        let masters = config.replication.masters.iter().map(ToString::to_string).collect::<Vec<_>>();
        let named = config.replication.named_master.map(|master| master.to_string());
        (masters.join(" "), named.unwrap_or_default(), config.notes)
    };
    let none = Vec::<String>::new();
    let of = |masters: &str, named: &str| (masters.to_owned(), named.to_owned(), none.clone());
    for (line, expected) in [
        ("lcnode", of("", "")),
        ("lcnode --master a:1 -master [::1]:2 --master=a:1", of("a:1 [::1]:2", "")),
        ("lcnode -mhost b", of("", "b:1978")),
        ("lcnode -mhost b -mport 5 --master b:5", of("b:5", "b:5")),
        ("lcnode -mhost [::1] -rts f -rcc", of("", "[::1]:1978")),
        ("ttserver -mhost b -sid 3 -ulog d", of("", "b:1978")),
        ("ttserver -mhost= -ulim 128m", of("", "")),
    ] {
        assert_eq!(shown(line), expected, "{line}");
    }
    for (line, note) in [
        ("lcnode -mport 5", "-mport has no effect without -mhost"),
        ("lcnode -uas", "-uas has no effect"),
        ("lcnode -mhost b -mask slave", "-mask slave: the node follows no master"),
        ("lcnode --master b:1 -mask all", "-mask slave: the node follows no master"),
        ("ttserver -mhost b", "no -sid: one is chosen"),
        ("ttserver -ulog d", "no -sid: one is chosen"),
        ("ttserver -ulim 0", "-ulim 0: a size must be between 1 and"),
        ("ttserver -ulim none", "-ulim none: not a size"),
    ] {
        let notes = config(line).notes;
        assert!(notes.len() == 1 && notes[0].contains(note), "{line}: {notes:?}");
    }
    assert!(!config("lcnode -mask slave").replication.follow);
    assert_eq!(config("ttserver -ulim none").replication, config("ttserver").replication);
    let config = config("lcnode --ulim 1g,30d --max-skew 2.5 -rts r -ulog u -rcc").replication;
    assert_eq!((config.keep_bytes, config.keep_for), (1 << 30, Duration::from_secs(30 * 86_400)));
    assert_eq!((config.max_skew, config.check_consistency), (Duration::from_millis(2500), true));
    assert_eq!(config.time_stamp_file, Some(PathBuf::from("/start/r")));
    assert_eq!(config.update_logs, Some(PathBuf::from("/start/u")));
}

#[test]
fn commands_that_copy_may_run() {
    let config = config(
        "lcnode --backup-dir b --allow-command /x/a --allow-command=d/b -allow-command c --command-timeout 2.5",
    );
    let allowed: Vec<_> = config
        .allowed_commands
        .iter()
        .map(|allowed| (allowed.name.to_str().unwrap(), allowed.program.to_str().unwrap()))
        .collect();
    assert_eq!(allowed, [("/x/a", "/x/a"), ("d/b", "/start/d/b"), ("c", "c")]);
    assert_eq!(config.command_timeout, Some(Duration::from_millis(2500)));
    assert_eq!(self::config("lcnode --command-timeout 0").command_timeout, None);
    assert!(refusal("lcnode --allow-command a").contains("--backup-dir"));
    assert_eq!(self::config("lcnode --allow-command a *").allowed_commands.len(), 1);
}

#[test]
fn paths_are_absolute() {
    let config = config("lcnode -dmn -log l -port 0 -host s --backup-dir b d/a.tch");
    assert_eq!(config.listen, Listen::Unix(PathBuf::from("/start/s")));
    assert_eq!(config.pid_file, Some(PathBuf::from("/start/lcnode.pid")));
    assert_eq!(config.backup_dir, Some(PathBuf::from("/start/b")));
    assert_eq!(config.database.kind, DatabaseKind::Directory(PathBuf::from("/start/d/a.tch")));
    assert_eq!(self::config("ttserver -dmn").pid_file, Some(PathBuf::from("/start/ttserver.pid")));
    assert_eq!(self::config("lcnode -kl").notes, ["-kl has no effect without -pid"]);
    let long = "x".repeat(101);
    assert!(refusal(&format!("lcnode -port 0 -host {long}")).contains("108 bytes"));
    assert!(parse(&format!("lcnode -port 0 -host {}", &long[1..])).is_ok());
}

#[test]
fn help_and_version_are_answers() {
    for line in
        ["lcnode -h", "lcnode --help", "lcnode -help", "ttserver -h", "lcnode --version", "ttserver -V"]
    {
        let error = parse(line).expect_err(line);
        assert_eq!((error.is_answer(), error.exit_status()), (true, 0), "{line}");
    }
    let version = |line| parse(line).expect_err(line).to_string();
    let own = format!("lcnode {}\n", env!("CARGO_PKG_VERSION"));
    assert!(version("lcnode --version").starts_with(&own));
    assert!(version("lcnode --version").contains("Tokyo Tyrant 1.1.41 (324:0.91)"));
    assert!(version("ttserver --version").starts_with("Tokyo Tyrant version 1.1.41 (324:0.91) for Linux\n"));
}

/// Every option with the default its help must name; flags and options without effect have none.
#[test]
fn the_help_names_every_option_and_default() {
    let help = parse("lcnode --help").expect_err("help").to_string();
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut rest = words.as_str();
    for (option, default) in [
        ("--host <NAME|PATH>", "[default: all addresses]"),
        ("--port <N>", "[default: 1978]"),
        ("--thnum <N>", "[default: half the cores, 8 at most]"),
        ("--tout <SECONDS>", "[default: 0]"),
        ("--sync <always|MILLISECONDS|never>", "[default: 100]"),
        ("--segment-size <SIZE>", "[default: 64m]"),
        ("--backup-dir <DIR>", "[default: none]"),
        ("--max-value <SIZE>", "[default: 256m]"),
        ("--max-key <SIZE>", "[default: 256m]"),
        ("--max-buffered <SIZE>", "[default: 1g]"),
        ("--mask <EXPR>", "[default: none]"),
        ("--unmask <EXPR>", "[default: none]"),
        ("--dmn", "[default: off]"),
        ("--pid <PATH>", "[default: none; with --dmn: lcnode.pid, called as ttserver: ttserver.pid]"),
        ("--kl", "[default: off]"),
        ("--log <PATH>", "[default: standard output]"),
        ("--ld", "[default: off"),
        ("--le", "[default: off"),
        ("--master <HOST:PORT>", "[default: none]"),
        ("--sid <N>", "[default: 0]"),
        ("--ulim <SIZE[,DAYSd]>", "[default: 4g,7d]"),
        ("--max-skew <SECONDS>", "[default: 10]"),
        ("--mhost <NAME>", "[default: none]"),
        ("--mport <N>", "[default: 1978]"),
        ("--rts <PATH>", "[default: none]"),
        ("--rcc", "[default: off, logged]"),
        ("--ulog <DIR>", "[default: none]"),
        ("--uas", "[default: off]"),
        ("--ext <PATH|@CODE>", "[default: none]"),
        ("--extpc <NAME> <SECONDS>", "[default: none]"),
        ("--ext-machines <N>", "[default: 8]"),
        ("--ext-max-time <SECONDS>", "[default: 10]"),
        ("--ext-max-instructions <N>", "[default: 1000000000]"),
        ("--ext-max-memory <SIZE>", "[default: 64m]"),
        ("--ext-max-stash <SIZE>", "[default: 256m]"),
        ("--ext-allow <files|processes>", "[default: neither]"),
        ("--mul <N>", ""),
    ] {
        let at = rest.find(option).unwrap_or_else(|| panic!("{option} is missing or out of order:\n{help}"));
        rest = &rest[at + option.len()..];
        let at = rest.find(default).unwrap_or_else(|| panic!("{option} lacks {default}:\n{help}"));
        rest = &rest[at..];
    }
}

#[test]
fn watching() {
    let config = config("lcnode -admin localhost:9178 --slow-log 0.5");
    assert_eq!(config.admin.as_deref(), Some("localhost:9178"));
    assert_eq!(config.slow_log, Some(Duration::from_micros(500)));
    assert!(refusal("lcnode --admin 9178").contains("localhost:9178"));
    assert!(refusal("lcnode --slow-log x").contains("milliseconds"));
}
