//! Rule files: TOML in, checked rules out, with errors that name the file and the way out.
use decide::LoadedRule;
use vocab::rule::Rule;

/// A rule file that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("rule file `{file}` cannot be used: {message}")]
pub struct RuleError {
    /// Name of the file.
    pub file: String,
    /// What is wrong with it.
    pub message: String,
}

/// The shipped rules: name of the file and its text.
pub const SHIPPED: &[(&str, &str)] = &[
    ("cpu_hog.toml", include_str!("../../../policies/cpu_hog.toml")),
    ("crash_loop.toml", include_str!("../../../policies/crash_loop.toml")),
    ("deadlock.toml", include_str!("../../../policies/deadlock.toml")),
    ("descriptor_leak.toml", include_str!("../../../policies/descriptor_leak.toml")),
    ("memory_exhausted.toml", include_str!("../../../policies/memory_exhausted.toml")),
    ("memory_leak.toml", include_str!("../../../policies/memory_leak.toml")),
    ("thrash.toml", include_str!("../../../policies/thrash.toml")),
];

/// Reads one rule.
///
/// # Errors
/// Text that is not TOML, lacks a field, has an unknown one, or promises something impossible.
pub fn parse(file: &str, text: &str) -> Result<LoadedRule, RuleError> {
    let wrong = |message: String| RuleError { file: file.to_owned(), message };
    let rule: Rule = toml::from_str(text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))?;
    let loaded = LoadedRule { rule, version: checksum(text) };
    loaded.check().map_err(wrong)?;
    Ok(loaded)
}

/// Reads the shipped rules, each replaced by the one of the same file name in `own`; rules of `own` with
/// other names come first, so that a person's rule wins over a shipped one.
///
/// # Errors
/// The first file that cannot be used, or two rules of one name.
pub fn load(own: &[(String, String)]) -> Result<Vec<LoadedRule>, RuleError> {
    let shipped = SHIPPED.iter().filter(|(file, _)| own.iter().all(|(name, _)| name != file));
    let texts = own.iter().map(|(file, text)| (file.as_str(), text.as_str())).chain(shipped.copied());
    let mut rules: Vec<LoadedRule> = Vec::new();
    for (file, text) in texts {
        let rule = parse(file, text)?;
        if rules.iter().any(|one| one.rule.name == rule.rule.name) {
            let message = format!("its name `{}` is taken by another rule", rule.rule.name);
            return Err(RuleError { file: file.to_owned(), message });
        }
        rules.push(rule);
    }
    Ok(rules)
}

/// FNV-1a over the text: tells versions apart, protects nothing.
fn checksum(text: &str) -> String {
    let hash =
        text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{hash:08x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_rules_load_and_answer_each_kind_once() {
        let rules = load(&[]).expect("shipped rules are checked here");
        let mut kinds = rules.iter().flat_map(|one| one.rule.kinds.clone()).collect::<Vec<_>>();
        let count = kinds.len();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds.len(), count);
    }

    #[test]
    fn a_broken_rule_names_its_file() {
        for text in
            ["", "name = 3", "unknown = true", "name = 'a'\ndescription = ''\nkinds = []\nladder = []"]
        {
            let error = parse("mine.toml", text).expect_err(text).to_string();
            assert!(error.contains("mine.toml"), "{error}");
        }
    }

    #[test]
    fn a_file_of_the_same_name_replaces_a_shipped_one() {
        let own = vec![(
            "thrash.toml".to_owned(),
            SHIPPED.last().expect("some").1.replace("\"thrash\"", "\"mine\""),
        )];
        let rules = load(&own).expect("valid");
        assert_eq!(rules.len(), SHIPPED.len());
        assert_eq!(rules[0].rule.name, "mine");
    }

    #[test]
    fn a_reflex_keeps_to_what_lives_in_the_kernel_and_names_its_service() {
        let rule = |on: &str, rest: &str| {
            let head = "name = 'r'\ndescription = 'd'\n[reflex]\n";
            parse("r.toml", &format!("{head}on = '{on}'\nlease_s = 5\n{rest}"))
        };
        assert!(rule("signal", "service = 'web'\naction = 'freeze'").is_ok());
        for (on, rest) in [
            ("signal", "action = 'freeze'"),
            ("signal", "service = 'web'\naction = 'restart_service'"),
            ("signal", "service = 'web'\naction = 'freeze'\nthen_kill = true"),
            ("signal", "service = 'web'\naction = 'freeze'\nlease_s = 0"),
            ("earthquake", "service = 'web'\naction = 'freeze'"),
        ] {
            assert!(rule(on, rest).is_err(), "{on} {rest}");
        }
    }
}
