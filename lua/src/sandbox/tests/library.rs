//! Every name of 5.1's library is there, or refused by an error that says how to get it.

use super::*;

const FUNCTIONS: &str = "assert collectgarbage dofile error gcinfo getfenv getmetatable ipairs load loadfile loadstring \
    module next pairs pcall print rawequal rawget rawset require select setfenv setmetatable tonumber tostring type unpack \
    xpcall coroutine.create coroutine.resume coroutine.running coroutine.status coroutine.wrap coroutine.yield \
    debug.debug debug.getfenv debug.gethook debug.getinfo debug.getlocal debug.getmetatable debug.getregistry \
    debug.getupvalue debug.setfenv debug.sethook debug.setlocal debug.setmetatable debug.setupvalue debug.traceback \
    io.close io.flush io.input io.lines io.open io.output io.popen io.read io.tmpfile io.type io.write \
    math.abs math.acos math.asin math.atan math.atan2 math.ceil math.cos math.cosh math.deg math.exp math.floor math.fmod \
    math.frexp math.ldexp math.log math.log10 math.max math.min math.mod math.modf math.pow math.rad math.random \
    math.randomseed math.sin math.sinh math.sqrt math.tan math.tanh \
    os.clock os.date os.difftime os.execute os.exit os.getenv os.remove os.rename os.setlocale os.time os.tmpname \
    package.loadlib package.seeall string.byte string.char string.dump string.find string.format string.gfind \
    string.gmatch string.gsub string.len string.lower string.match string.rep string.reverse string.sub string.upper \
    table.concat table.foreach table.foreachi table.getn table.insert table.maxn table.remove table.setn table.sort";

#[test]
fn every_function_is_there() {
    for allowed in [Allowed::default(), Allowed { files: true, processes: true }] {
        let machine = Machine::new(allowed);
        for name in FUNCTIONS.split_whitespace() {
            assert_eq!(machine.line(&format!("return type({name})")), "function", "{name}");
        }
        for (code, expected) in [
            (
                "return _VERSION, _G._G == _G, tostring(math.pi), math.huge",
                "Lua 5.1 true 3.1415926535898 inf",
            ),
            (
                "return type(package.loaded), type(package.preload), type(package.loaders)",
                "table table table",
            ),
            ("return package.loaded.string == string, package.loaded._G == _G, package.cpath", "true true "),
            ("return newproxy, loadlib", "nil nil"),
            ("for name in pairs(_G) do if type(name) ~= 'string' then return name end end", ""),
        ] {
            assert_eq!(machine.line(code), expected, "{code}");
        }
    }
}

#[test]
fn what_is_refused_names_its_option() {
    let machine = Machine::plain();
    let files = "files are out of reach for scripts; start the node with --ext-allow files";
    let processes = "processes are out of reach for scripts; start the node with --ext-allow processes";
    let never = "never within reach of scripts";
    for (call, name, reason) in [
        ("io.open('x')", "io.open", files),
        ("io.lines('x')", "io.lines", files),
        ("io.close()", "io.close", files),
        ("io.write('x')", "io.write", files),
        ("io.stdout:write('x')", "io.stdout", files),
        ("(function() io.stderr = nil; io.stdin.x = 1 end)()", "io.stdin", files),
        ("io.popen('true')", "io.popen", processes),
        ("os.execute('true')", "os.execute", processes),
        ("os.getenv('HOME')", "os.getenv", processes),
        ("os.remove('x')", "os.remove", files),
        ("os.rename('x', 'y')", "os.rename", files),
        ("os.tmpname()", "os.tmpname", files),
        ("dofile('x')", "dofile", files),
        ("loadfile('x')", "loadfile", files),
        ("os.exit(1)", "os.exit", never),
        ("os.setlocale('C')", "os.setlocale", never),
        ("package.loadlib('x', 'y')", "package.loadlib", never),
        ("debug.getinfo(1)", "debug.getinfo", never),
        ("debug.sethook()", "debug.sethook", never),
        ("debug.getregistry()", "debug.getregistry", never),
    ] {
        assert_eq!(machine.line(call), format!("error: script:1: {name}: {reason}"), "{call}");
        // The same as the value of a call that is protected.
        let caught = machine.line(&format!("return pcall(function() {call} end)"));
        assert_eq!(caught, format!("false script:1: {name}: {reason}"), "{call}");
    }
    let missing = machine.line("require 'nowhere'");
    assert_eq!(
        missing,
        format!(
            "error: script:1: module 'nowhere' not found:\n\tno field package.preload['nowhere']\n\t{files}"
        )
    );
    assert_eq!(machine.line("return io.type(1)"), "nil");
    assert_eq!(
        machine.line("string.dump(print)"),
        "error: script:1: string.dump: bytecode is out of reach for scripts"
    );
}

#[test]
fn each_option_gives_what_it_names() {
    let files = Machine::new(Allowed { files: true, processes: false });
    let path = std::env::temp_dir().join(format!("lcnode-sandbox-{}", std::process::id()));
    let path = path.to_str().unwrap();
    let script = format!(
        "local f = assert(io.open('{path}', 'w')) f:write('#!x\\nreturn 6 * ...') f:close()
        local chunk = assert(loadfile('{path}'))
        local read = io.open('{path}'):read('*a')
        package.path = '{path}?;{path}'
        package.loaded.some = nil
        local size = 0
        for line in io.lines('{path}') do size = size + #line end
        return chunk(7), #read, size, io.type(io.stdout), pcall(dofile, '{path}.none')"
    );
    assert_eq!(
        files.line(&script),
        format!("42 18 17 file false cannot open {path}.none: No such file or directory (os error 2)")
    );
    assert_eq!(files.line(&format!("return os.rename('{path}', '{path}2')")), "true");
    assert_eq!(files.line(&format!("return os.remove('{path}2')")), "true");
    assert_eq!(files.line("return getmetatable(io.stdout), type(os.tmpname())"), "false string");
    assert!(files.line("os.getenv('HOME')").ends_with("--ext-allow processes"));
    assert!(files.line("io.popen('true')").ends_with("--ext-allow processes"));

    let processes = Machine::new(Allowed { files: false, processes: true });
    assert_eq!(processes.line("return os.execute('exit 3'), type(os.getenv('PATH'))"), "768 string");
    assert_eq!(processes.line("return io.popen('echo here'):read('*a')"), "here\\n");
    assert_eq!(processes.line("return getmetatable(io.popen('true'))"), "false");
    assert!(processes.line("io.open('x')").ends_with("--ext-allow files"));
    assert!(processes.line("io.stdout:write('x')").ends_with("--ext-allow files"));
}

#[test]
fn modules_of_files_are_found_where_files_are_allowed() {
    let machine = Machine::new(Allowed { files: true, processes: false });
    let folder = std::env::temp_dir().join(format!("lcnode-modules-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("a")).unwrap();
    std::fs::write(
        folder.join("a/b.lua"),
        "module(..., package.seeall) function twice(x) return tostring(2 * x) end",
    )
    .unwrap();
    std::fs::write(folder.join("bad.lua"), "return +").unwrap();
    let folder = folder.to_str().unwrap();
    let paths = format!("package.path = '{folder}/?.lua;{folder}/?/init.lua' ");
    assert_eq!(
        machine.line(&format!("{paths} require 'a.b' return a.b.twice(4), a.b._NAME, a.b._PACKAGE")),
        "8 a.b a."
    );
    assert!(machine.line(&format!("{paths} require 'bad'")).contains("error loading module 'bad' from file"));
    assert!(
        machine
            .line(&format!("{paths} require 'none'"))
            .contains(&format!("\n\tno file '{folder}/none/init.lua'"))
    );
    std::fs::remove_dir_all(folder).unwrap();
}
