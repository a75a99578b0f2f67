//! One line of `scenarios/programs/cases.txt`: a program, how it is started, and the truth about it.

/// The file, as it is in the checkout.
pub(super) const FILE: &str = "scenarios/programs/cases.txt";

/// A program with known truth.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Case {
    pub(super) name: String,
    /// Kinds of finding of which one is right; none for a benign twin.
    pub(super) expect: Vec<String>,
    /// Whether Homeostat's supervisor runs it.
    pub(super) is_service: bool,
    pub(super) round: Round,
    pub(super) clients: Clients,
    /// From its start to the fault. Unit: s.
    pub(super) onset_s: f64,
    /// File below the folder of programs.
    pub(super) source: String,
    /// As written: with places in braces.
    pub(super) arguments: Vec<String>,
}

/// With whom it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Round {
    /// The line that began it.
    pub(super) line: usize,
    pub(super) seconds: u64,
    /// Whether each case of it runs by itself.
    pub(super) is_alone: bool,
}

/// Who talks to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clients {
    None,
    /// So many that ask over a connection each time.
    Short(u32),
    /// So many that ask over one connection each.
    Long(u32),
    /// So many connections more a second, up to a hundred, which are kept for a while and closed.
    Hold(u32),
}

impl Case {
    /// Reads every case of the file.
    ///
    /// # Errors
    /// The first line that is none.
    pub(super) fn all(text: &str) -> Result<Vec<Self>, String> {
        let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
        let mut round = Round::default();
        let mut cases = Vec::new();
        for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            let wrong = || format!("{FILE}:{number}: no case: {line}");
            match line.strip_prefix("round ") {
                Some(rest) => {
                    let seconds = rest.strip_prefix("alone ");
                    let is_alone = seconds.is_some();
                    let seconds = seconds.unwrap_or(rest).parse().map_err(|_| wrong())?;
                    round = Round { line: number, seconds, is_alone };
                }
                None => cases.push(Self::parse(line, round).ok_or_else(wrong)?),
            }
        }
        Ok(cases)
    }

    fn parse(line: &str, round: Round) -> Option<Self> {
        let mut words = line.split_whitespace();
        let name = words.next()?.to_owned();
        let expect = match words.next()? {
            "silent" => Vec::new(),
            kinds => kinds.split('|').map(str::to_owned).collect(),
        };
        let is_service = match words.next()? {
            "service" => true,
            "plain" => false,
            _ => return None,
        };
        let clients = Clients::parse(words.next()?)?;
        let onset_s = words.next()?.parse().ok()?;
        let source = words.next()?.to_owned();
        let arguments = words.map(str::to_owned).collect();
        Some(Self { name, expect, is_service, round, clients, onset_s, source, arguments })
    }

    /// Whether nobody may be accused in it.
    pub(super) fn is_twin(&self) -> bool {
        self.expect.is_empty()
    }

    /// Whether its name has one of these parts, joined by commas, in it; of none every case is wanted.
    pub(super) fn is_wanted(&self, only: Option<&str>) -> bool {
        only.is_none_or(|parts| parts.split(',').any(|part| self.name.contains(part)))
    }

    /// Whether another case has to run beside it.
    pub(super) fn needs(&self, other: &str) -> bool {
        let place = format!("{{port:{other}}}");
        self.arguments.iter().any(|one| *one == place || one == other)
    }
}

/// What a place in braces names, and what stands behind its colon: `{port:NAME}`; `None` of any other word.
pub(super) fn place(argument: &str) -> Option<(&str, &str)> {
    let place = argument.strip_prefix('{')?.strip_suffix('}')?;
    Some(place.split_once(':').unwrap_or((place, "")))
}

impl Clients {
    fn parse(word: &str) -> Option<Self> {
        if word == "-" {
            return Some(Self::None);
        }
        let (kind, count) = word.split_once(':')?;
        let count = count.parse().ok()?;
        match kind {
            "short" => Some(Self::Short(count)),
            "long" => Some(Self::Long(count)),
            "hold" => Some(Self::Hold(count)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_case() {
        let text = "round alone 9\na deadlock|stalled service short:4 2.5 a.c {port} {port:sink}";
        let case = Case::all(text).unwrap().remove(0);
        assert_eq!((case.expect.len(), case.is_service, case.round.is_alone), (2, true, true));
        assert_eq!((case.round.line, case.round.seconds), (1, 9));
        assert_eq!((case.clients, case.onset_s, case.arguments.len()), (Clients::Short(4), 2.5, 2));
        assert!(case.needs("sink") && !case.needs("port") && !case.is_twin());
        assert!(Case::all("a silent somewhere - 0 a.c").is_err());
        assert!(Case::all("a silent plain many:4 0 a.c").is_err());
        assert!(Case::all("round soon").is_err());
    }

    #[test]
    fn every_case_of_the_file_names_a_program_that_is_there() {
        let file = crate::root().join(FILE);
        let cases = Case::all(&std::fs::read_to_string(&file).unwrap()).unwrap();
        for case in &cases {
            assert!(file.with_file_name(&case.source).is_file(), "{}", case.source);
            assert_eq!(cases.iter().filter(|other| other.name == case.name).count(), 1, "{}", case.name);
        }
    }
}
