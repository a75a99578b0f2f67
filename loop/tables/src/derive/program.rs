//! The stable key of a process: what it is, whatever its pid, version or arguments.
//!
//! `nginx`, `python3:app.py`, `java:server.jar`, `sh:-c`, `busybox:httpd`, `[kworker]`.
use std::sync::Arc;

use vocab::sample::ProcessInfo;

/// The program of a process.
pub fn program(info: &ProcessInfo) -> Arc<str> {
    if info.is_kernel {
        return kernel_thread(&info.name);
    }
    let command = info.command.as_deref().unwrap_or("");
    let Some(base) = executable(info, command) else { return info.name.clone() };
    let (family, name) = interpreter(base);
    let script = match family {
        Family::None => None,
        Family::Multicall => Some(applet(command, base)),
        _ => script(family, command),
    };
    match script {
        Some(script) if !script.is_empty() => Arc::from(format!("{name}:{script}")),
        _ => Arc::from(name),
    }
}

/// `[name]`; the workers of the kernel's pool, which are renamed with every job, share one name.
fn kernel_thread(name: &str) -> Arc<str> {
    let name = if name.starts_with("kworker") { "kworker" } else { name };
    Arc::from(format!("[{name}]"))
}

/// Base name of the executable; where we may not read its link, of the first argument, if the kernel's name
/// agrees with it (a process may write anything over its arguments).
fn executable<'a>(info: &'a ProcessInfo, command: &'a str) -> Option<&'a str> {
    if let Some(exe) = info.exe.as_deref() {
        let exe = exe.strip_suffix(" (deleted)").unwrap_or(exe);
        return Some(base_name(exe)).filter(|base| !base.is_empty());
    }
    let first = base_name(command.split(' ').next()?);
    (!info.name.is_empty() && first.starts_with(&*info.name)).then_some(first)
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// How the script of an interpreter is found among its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    None,
    Python,
    Java,
    Shell,
    Other,
    Multicall,
}

/// The family of an executable and its name without the minor version: `python3.11` is `python3`.
fn interpreter(base: &str) -> (Family, &str) {
    let stem = base.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    match stem {
        "python" | "pypy" => (Family::Python, base.split('.').next().unwrap_or(base)),
        "java" => (Family::Java, stem),
        "bash" | "sh" | "dash" | "zsh" | "ksh" | "fish" => (Family::Shell, stem),
        "node" | "nodejs" | "ruby" | "perl" | "php" | "lua" | "deno" | "bun" | "Rscript" => {
            (Family::Other, stem)
        }
        "busybox" | "coreutils" | "toybox" => (Family::Multicall, stem),
        _ => (Family::None, base),
    }
}

/// The name under which a multi-call executable was called.
fn applet<'a>(command: &'a str, base: &str) -> &'a str {
    let mut arguments = command.split(' ').map(base_name);
    match arguments.next() {
        Some(first) if first == base => arguments.next().unwrap_or(""),
        Some(first) => first.trim_start_matches('-'),
        None => "",
    }
}

/// The script, module, main class or jar that an interpreter runs; `-c` or `-e` for code in its arguments.
fn script(family: Family, command: &str) -> Option<&str> {
    let mut arguments = command.split(' ').skip(1).filter(|argument| !argument.is_empty());
    while let Some(argument) = arguments.next() {
        if !argument.starts_with('-') || argument == "-" {
            return Some(base_name(argument));
        }
        if let Some(code) = inline_code(family, argument) {
            return Some(code);
        }
        match (family, argument) {
            (Family::Python, "-m") | (Family::Java, "-jar" | "-m" | "--module") => {
                return arguments.next().map(base_name);
            }
            (_, "--") => return arguments.next().map(base_name),
            _ if takes_value(family, argument) => {
                arguments.next();
            }
            _ => {}
        }
    }
    None
}

/// The option that says "the program is my next argument", if this is one.
fn inline_code(family: Family, option: &str) -> Option<&'static str> {
    let letters = option.strip_prefix('-').filter(|letters| !letters.starts_with('-'));
    match family {
        Family::Python if option.starts_with("-c") => Some("-c"),
        Family::Shell if letters.is_some_and(|letters| letters.contains('c')) => Some("-c"),
        Family::Other if matches!(option, "-e" | "-E" | "-r" | "-p" | "--eval" | "--print") => {
            // `-r` loads a module in node and ruby, and runs code in php: no script name is sure to follow.
            (option != "-r").then_some("-e")
        }
        _ => None,
    }
}

/// Whether the option is followed by a value of its own.
fn takes_value(family: Family, option: &str) -> bool {
    match family {
        Family::Python => matches!(option, "-W" | "-X" | "-Q"),
        Family::Java => matches!(
            option,
            "-cp"
                | "-classpath"
                | "--class-path"
                | "-p"
                | "--module-path"
                | "--add-modules"
                | "--add-opens"
                | "--add-exports"
                | "--add-reads"
        ),
        Family::Shell => matches!(option, "-o" | "-O" | "--rcfile" | "--init-file"),
        Family::Other => matches!(option, "-r" | "--require" | "--import" | "-I" | "--loader"),
        Family::None | Family::Multicall => false,
    }
}

#[cfg(test)]
mod tests {
    use super::program;
    use vocab::ProcessId;
    use vocab::sample::ProcessInfo;

    fn named(name: &str, exe: Option<&str>, command: &str) -> String {
        program(&ProcessInfo {
            id: ProcessId { pid: 1, start_ticks: 1 },
            name: name.into(),
            exe: exe.map(Into::into),
            command: Some(command.into()),
            uid: 0,
            cgroup: None,
            unit: None,
            service: None,
            is_kernel: false,
            descriptor_limits: None,
        })
        .to_string()
    }

    #[test]
    fn an_executable_is_its_base_name() {
        assert_eq!(named("nginx", Some("/usr/sbin/nginx"), "nginx: worker process"), "nginx");
        assert_eq!(named("x", Some("/opt/app/server-2 (deleted)"), "./server-2 -v"), "server-2");
    }

    #[test]
    fn an_interpreter_carries_its_script() {
        let cases = [
            ("/usr/bin/python3.11", "python3 -u -W ignore /srv/app.py --port 80", "python3:app.py"),
            ("/usr/bin/python3", "python3 -m http.server 8000", "python3:http.server"),
            ("/usr/bin/python3", "python3 -c import_time", "python3:-c"),
            ("/usr/bin/python3", "python3", "python3"),
            ("/usr/bin/node", "node --require ./a.js server.js", "node:server.js"),
            ("/usr/bin/node", "node -e code", "node:-e"),
            ("/usr/bin/java", "java -Xmx1g -cp a:b com.x.Main arg", "java:com.x.Main"),
            ("/usr/bin/java", "java -jar /opt/x.jar", "java:x.jar"),
            ("/usr/bin/bash", "bash -lc sleep 1", "bash:-c"),
            ("/bin/dash", "/bin/sh /etc/init.d/thing start", "dash:thing"),
            ("/usr/bin/bash", "-bash", "bash"),
            ("/usr/bin/perl5.36", "perl -w tool.pl", "perl:tool.pl"),
            ("/bin/busybox", "httpd -f", "busybox:httpd"),
            ("/bin/busybox", "busybox sh -c x", "busybox:sh"),
        ];
        for (exe, command, expected) in cases {
            assert_eq!(named("x", Some(exe), command), expected, "{command}");
        }
    }

    #[test]
    fn without_the_executable_the_arguments_must_agree_with_the_name() {
        assert_eq!(named("python3", None, "/usr/bin/python3 a.py"), "python3:a.py");
        assert_eq!(named("postgres", None, "something else"), "postgres");
        assert_eq!(named("a-very-long-nam", None, "/x/a-very-long-name y"), "a-very-long-name");
    }

    #[test]
    fn kernel_threads_stand_in_brackets() {
        let mut info = ProcessInfo {
            id: ProcessId { pid: 1, start_ticks: 1 },
            name: "kworker/0:1-events".into(),
            exe: None,
            command: None,
            uid: 0,
            cgroup: None,
            unit: None,
            service: None,
            is_kernel: true,
            descriptor_limits: None,
        };
        assert_eq!(&*program(&info), "[kworker]");
        info.name = "jbd2/vda1-8".into();
        assert_eq!(&*program(&info), "[jbd2/vda1-8]");
    }
}
