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
    /// Whether it needs a round of its own.
    pub(super) is_alone: bool,
    pub(super) clients: Clients,
    /// From its start to the fault. Unit: s.
    pub(super) onset_s: f64,
    /// File below the folder of programs.
    pub(super) source: String,
    /// As written: with places in braces.
    pub(super) arguments: Vec<String>,
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
        lines
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
            .map(|(number, line)| {
                Self::parse(line).ok_or_else(|| format!("{FILE}:{number}: no case: {line}"))
            })
            .collect()
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let name = words.next()?.to_owned();
        let expect = match words.next()? {
            "silent" => Vec::new(),
            kinds => kinds.split('|').map(str::to_owned).collect(),
        };
        let place = words.next()?;
        let (is_alone, kind) = place.strip_prefix("alone-").map_or((false, place), |kind| (true, kind));
        let is_service = match kind {
            "service" => true,
            "plain" => false,
            _ => return None,
        };
        let clients = Clients::parse(words.next()?)?;
        let onset_s = words.next()?.parse().ok()?;
        let source = words.next()?.to_owned();
        let arguments = words.map(str::to_owned).collect();
        Some(Self { name, expect, is_service, is_alone, clients, onset_s, source, arguments })
    }

    /// Whether nobody may be accused in it.
    pub(super) fn is_twin(&self) -> bool {
        self.expect.is_empty()
    }

    /// Whether another case has to run beside it.
    pub(super) fn needs(&self, other: &str) -> bool {
        let place = format!("{{port:{other}}}");
        self.arguments.iter().any(|one| *one == place || one == other)
    }
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
        let case =
            Case::parse("a deadlock|stalled alone-service short:4 2.5 a.c {port} {port:sink}").unwrap();
        assert_eq!((case.expect.len(), case.is_service, case.is_alone), (2, true, true));
        assert_eq!((case.clients, case.onset_s, case.arguments.len()), (Clients::Short(4), 2.5, 2));
        assert!(case.needs("sink") && !case.needs("port") && !case.is_twin());
        assert!(Case::parse("a silent somewhere - 0 a.c").is_none());
        assert!(Case::parse("a silent plain many:4 0 a.c").is_none());
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
