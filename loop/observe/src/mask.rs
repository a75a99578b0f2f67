//! Secrets in command lines and log lines are replaced by `***` before anything is stored.
//!
//! What is masked: the value of a name that sounds like a secret (`--password X`, `API_KEY=X`, `?token=X`,
//! `Authorization: X`), credentials in URLs, and words in the shape of well-known tokens. A word that is
//! masked without need costs nothing; a secret that is kept cannot be taken back.
use std::borrow::Cow;

/// Longest command line that is kept. Unit: bytes.
const COMMAND_BYTES: usize = 512;
/// Longest line of a log that is kept. Unit: bytes.
const LINE_BYTES: usize = 1_024;
/// What stands for a secret.
const MASK: &str = "***";

/// Parts of a name, between `-`, `_` and `.`, each of which alone makes its value a secret.
const SECRET_PARTS: [&str; 18] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pass",
    "pwd",
    "pw",
    "secret",
    "token",
    "apikey",
    "auth",
    "authorization",
    "credential",
    "credentials",
    "creds",
    "bearer",
    "cookie",
    "authtok",
];
/// Ends of a name, separators left out, that make its value a secret: `dbPassword`, `AWS_SECRET_ACCESS_KEY`.
const SECRET_ENDS: [&str; 13] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "secretkey",
    "authkey",
    "signingkey",
    "authorization",
    "cookie",
];
/// What stands before the secret in a header.
const SCHEMES: [&str; 4] = ["bearer", "basic", "digest", "token"];
/// Beginnings of tokens that say themselves what they are.
const TOKEN_STARTS: [&str; 13] = [
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "sk-",
    "AKIA",
    "ASIA",
    "eyJ",
];

/// The arguments joined by blanks, secrets masked, at most 512 bytes.
pub fn mask_arguments<S: AsRef<str>>(arguments: &[S]) -> String {
    let mut masker = Masker::for_program(arguments.first().map_or("", AsRef::as_ref));
    let mut out = String::new();
    for argument in arguments {
        if !out.is_empty() {
            out.push(' ');
        }
        masker.text(argument.as_ref(), &mut out);
    }
    cut(out, COMMAND_BYTES)
}

/// One line of text, secrets masked, at most 1,024 bytes.
pub fn mask_line(line: &str) -> String {
    let mut out = String::with_capacity(line.len().min(LINE_BYTES));
    Masker::for_program("").text(line, &mut out);
    cut(out, LINE_BYTES)
}

/// Ends `text` at the last character that fits into `bytes`.
fn cut(mut text: String, bytes: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes));
    text
}

/// Masks word by word; remembers whether the word before announced a secret.
struct Masker {
    /// The next word is a secret.
    expects_secret: bool,
    /// All words up to the end of the line are secrets: behind `Authorization:`.
    rest_is_secret: bool,
    /// Short flags of this program whose value is a secret.
    short: &'static [&'static str],
    /// The value may follow the short flag without a blank, as mysql's `-pSECRET`.
    is_attached: bool,
}

impl Masker {
    fn for_program(program: &str) -> Self {
        let name = program.rsplit('/').next().unwrap_or(program);
        let (short, is_attached): (&'static [&'static str], bool) = match name {
            "curl" | "wget" => (&["-u", "--user", "--proxy-user", "-U", "-b"], false),
            "sshpass" => (&["-p"], true),
            name if name.starts_with("mysql") || name.starts_with("mariadb") => (&["-p"], true),
            "redis-cli" => (&["-a"], false),
            "ldapsearch" | "ldapmodify" => (&["-w"], false),
            _ => (&[], false),
        };
        Self { expects_secret: false, rest_is_secret: false, short, is_attached }
    }

    fn text(&mut self, text: &str, out: &mut String) {
        self.rest_is_secret = false;
        for (index, word) in text.split([' ', '\t', '\n']).enumerate() {
            if index > 0 {
                out.push(' ');
            }
            out.push_str(&self.word(word));
        }
    }

    fn word<'a>(&mut self, word: &'a str) -> Cow<'a, str> {
        if word.is_empty() {
            return Cow::Borrowed(word);
        }
        if self.rest_is_secret {
            self.expects_secret = false;
            return Cow::Borrowed(MASK);
        }
        if std::mem::take(&mut self.expects_secret) && !is_flag(word) {
            // Behind `Bearer` and its kind stands the secret itself.
            self.expects_secret = SCHEMES.iter().any(|scheme| word.eq_ignore_ascii_case(scheme));
            return Cow::Borrowed(MASK);
        }
        if let Some(masked) = self.program_flag(word).or_else(|| self.assignment(word)) {
            return Cow::Owned(masked);
        }
        if is_flag(word) && is_secret_name(word) {
            self.expects_secret = true;
            return Cow::Borrowed(word);
        }
        if is_token(word) { Cow::Borrowed(MASK) } else { url(word).map_or(Cow::Borrowed(word), Cow::Owned) }
    }

    fn program_flag(&mut self, word: &str) -> Option<String> {
        let flag = *self.short.iter().find(|flag| word.starts_with(**flag))?;
        if word.len() == flag.len() {
            self.expects_secret = true;
            return Some(word.to_owned());
        }
        let is_value = self.is_attached || word.as_bytes().get(flag.len()) == Some(&b'=');
        is_value.then(|| format!("{flag}{MASK}"))
    }

    /// `name=value`, `"name":"value"` and `Name: value`, where the name sounds like a secret.
    fn assignment(&mut self, word: &str) -> Option<String> {
        let at = word.find(['=', ':'])?;
        let (name, value) = (word.get(..at)?, word.get(at + 1..)?);
        if !is_secret_name(name) || value.starts_with("//") {
            return None;
        }
        if !value.is_empty() {
            return Some(format!("{}{MASK}", word.get(..=at)?));
        }
        // A header or a line of YAML: the secret is what follows. Where a log says `auth: …`, it does not.
        let is_header = SECRET_ENDS.iter().any(|end| squeezed(name).ends_with(end));
        (self.rest_is_secret, self.expects_secret) = (is_header, is_header);
        Some(word.to_owned())
    }
}

fn is_flag(word: &str) -> bool {
    word.len() > 1 && word.starts_with('-')
}

fn is_secret_name(name: &str) -> bool {
    let is_part = |part: &str| SECRET_PARTS.iter().any(|secret| part.eq_ignore_ascii_case(secret));
    let name = trimmed(name);
    name.split(['-', '_', '.']).any(is_part) || SECRET_ENDS.iter().any(|end| squeezed(name).ends_with(end))
}

/// The name without quotes, dashes and braces around it.
fn trimmed(name: &str) -> &str {
    name.trim_matches(|c: char| !c.is_ascii_alphanumeric())
}

/// The name in lower case without separators: `X-Api-Key` is `xapikey`.
fn squeezed(name: &str) -> String {
    trimmed(name).chars().filter(|c| !matches!(c, '-' | '_' | '.')).map(|c| c.to_ascii_lowercase()).collect()
}

fn is_token(word: &str) -> bool {
    let word = word.trim_matches(['"', '\'', ',', ';']);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '=' | '+' | '/');
    word.len() >= 20
        && TOKEN_STARTS.iter().any(|start| word.starts_with(start))
        && word.chars().all(is_plain)
        && word.chars().any(|c| c.is_ascii_digit())
}

/// A URL with its credentials and its secret parameters masked; `None` if it has none.
fn url(word: &str) -> Option<String> {
    let start = word.find("://")? + 3;
    let (scheme, rest) = word.split_at_checked(start)?;
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at_checked(authority_end)?;
    let host = match authority.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((name, _)) => format!("{name}:{MASK}@{host}"),
            None if user.len() >= 20 => format!("{MASK}@{host}"),
            None => authority.to_owned(),
        },
        None => authority.to_owned(),
    };
    let masked = format!("{scheme}{host}{}", parameters(tail));
    (masked != word).then_some(masked)
}

fn parameters(tail: &str) -> String {
    let mut out = String::with_capacity(tail.len());
    for part in tail.split_inclusive(['?', '&', ';', '#']) {
        match part.split_once('=') {
            Some((name, value)) if is_secret_name(name) => {
                let end = value.find(['&', ';', '#', '?']).map_or("", |at| value.get(at..).unwrap_or(""));
                out.push_str(&format!("{name}={MASK}{end}"));
            }
            _ => out.push_str(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked() {
        for (line, masked) in [
            ("app --password hunter2 -v", "app --password *** -v"),
            ("app --password=hunter2", "app --password=***"),
            ("app --db-password hunter2", "app --db-password ***"),
            ("app -token hunter2", "app -token ***"),
            ("app --dbPassword=hunter2", "app --dbPassword=***"),
            ("env PGPASSWORD=hunter2 psql", "env PGPASSWORD=*** psql"),
            ("env AWS_SECRET_ACCESS_KEY=abc/def x", "env AWS_SECRET_ACCESS_KEY=*** x"),
            ("psql postgres://bob:hunter2@db:5432/x", "psql postgres://bob:***@db:5432/x"),
            ("git clone https://0123456789abcdef0123@h/x", "git clone https://***@h/x"),
            ("curl http://h/x?a=1&token=abc&b=2", "curl http://h/x?a=1&token=***&b=2"),
            ("curl -u bob:hunter2 h", "curl -u *** h"),
            ("curl -H Authorization: Bearer abc.def", "curl -H Authorization: *** ***"),
            ("curl -H X-Api-Key:abc", "curl -H X-Api-Key:***"),
            ("mysql -phunter2 db", "mysql -p*** db"),
            ("sshpass -p hunter2 ssh h", "sshpass -p *** ssh h"),
            ("redis-cli -a hunter2", "redis-cli -a ***"),
            ("run ghp_0123456789abcdefABCDEF012345", "run ***"),
            ("run eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x", "run ***"),
            (r#"{"password":"hunter2"}"#, r#"{"password":***"#),
        ] {
            let words: Vec<_> = line.split(' ').collect();
            assert_eq!(mask_arguments(&words), masked);
        }
    }

    #[test]
    fn a_header_or_a_script_in_one_argument_is_masked_too() {
        let arguments = ["curl", "-H", "Authorization: Bearer abc", "http://h"];
        assert_eq!(mask_arguments(&arguments), "curl -H Authorization: *** *** http://h");
        let arguments = ["sh", "-c", "TOKEN=abc exec app --secret s3cr3t --port 80"];
        assert_eq!(mask_arguments(&arguments), "sh -c TOKEN=*** exec app --secret *** --port 80");
    }

    #[test]
    fn ordinary_words_stay() {
        for line in [
            "app --author bob --port=80 --tokenizer fast --keyfile /etc/tls.key --compass north",
            "nginx: worker process",
            "java -Dfile.encoding=UTF-8 -cp /opt/a.jar:/opt/b.jar Main",
            "git clone https://bob@host/x?y=1#z",
            "sha 0123456789abcdef0123456789abcdef",
            "mysqld --port=3306",
        ] {
            let words: Vec<_> = line.split(' ').collect();
            assert_eq!(mask_arguments(&words), line);
        }
    }

    #[test]
    fn what_is_kept_is_bounded_and_never_ends_within_a_character() {
        let long = "é".repeat(2_000);
        assert_eq!(mask_arguments(&[&long]).len(), 512);
        assert_eq!(mask_line(&long).len(), 1_024);
        assert_eq!(mask_line(&format!("a{long}")).len(), 1_023);
    }
}
