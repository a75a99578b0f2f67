//! The rules of the house, checked. A rule that is broken names the place and the way out.
mod circles;
mod documents;
mod files;
mod layers;

use crate::root;

/// Runs every check.
///
/// # Errors
/// All that is broken, a line each.
pub(crate) fn run() -> Result<(), String> {
    let mut broken = layers::check(&layers::Workspace::read()?);
    let tree = files::Tree::read(root())?;
    broken.extend(files::check(&tree));
    broken.extend(circles::check(&tree));
    broken.extend(documents::check(&tree));
    if broken.is_empty() { Ok(()) } else { Err(broken.join("\n")) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_house_is_tidy() {
        if let Err(broken) = super::run() {
            panic!("{broken}");
        }
    }
}
