//! Service files: one service as a whole file, or several as `[[service]]` tables.
use serde::Deserialize;
use supervisor::ServiceConfig;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Several {
    service: Vec<ServiceConfig>,
}

/// Reads the services of one file; relative programs and folders are taken from the file's folder.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn parse(path: &str, text: &str) -> Result<Vec<ServiceConfig>, String> {
    let wrong = |error: String| format!("service file `{path}` cannot be used: {}", error.trim_end());
    let is_several = text.lines().any(|line| line.trim() == "[[service]]");
    let mut services = if is_several {
        toml::from_str::<Several>(text).map_err(|error| wrong(error.to_string()))?.service
    } else {
        vec![toml::from_str::<ServiceConfig>(text).map_err(|error| wrong(error.to_string()))?]
    };
    let folder = std::path::Path::new(path).parent().filter(|folder| folder.is_absolute());
    for service in &mut services {
        service.check().map_err(wrong)?;
        if let (Some(folder), None) = (folder, &service.directory) {
            service.directory = Some(folder.to_owned());
        }
    }
    Ok(services)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn one_and_several() {
        let one = "name = 'a'\ncommand = ['sleep', '1']\n";
        assert_eq!(parse("/x/a.toml", one).expect("valid")[0].name, "a");
        let several = format!("[[service]]\n{one}\n[[service]]\n{}", one.replace("'a'", "'b'"));
        assert_eq!(parse("/x/a.toml", &several).expect("valid").len(), 2);
    }

    #[test]
    fn what_is_wrong_names_the_file() {
        for text in ["", "name = 'a'", "name = 'a'\ncommand = []", "name='a'\ncommand=['x']\nspeed=1"] {
            assert!(parse("/x/a.toml", text).expect_err(text).contains("/x/a.toml"));
        }
    }
}
