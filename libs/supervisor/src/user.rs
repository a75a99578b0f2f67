//! The user a service runs as. Users of /etc/passwd and /etc/group only: a supervisor loads no plugins of a name
//! service into itself.
use std::fs;

/// What a service takes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    /// Every group of the user, its own included.
    pub groups: Vec<u32>,
    pub home: String,
}

impl User {
    /// Looks a user up by name.
    ///
    /// # Errors
    /// There is none of that name, or we are neither root nor that user.
    pub(crate) fn find(name: &str) -> Result<Self, String> {
        let read = |path| fs::read_to_string(path).map_err(|error| format!("{path} cannot be read: {error}"));
        let user = parse(name, &read("/etc/passwd")?, &read("/etc/group").unwrap_or_default())
            .ok_or_else(|| format!("there is no user `{name}` in /etc/passwd"))?;
        let us = rustix::process::geteuid();
        if us.is_root() || us.as_raw() == user.uid {
            return Ok(user);
        }
        Err(format!("only root may run it as user `{name}`; start Homeostat as root, or leave `user` out"))
    }

    /// Whether there is anything to change: a process that is not root is that user already.
    pub(crate) fn is_other(&self) -> bool {
        rustix::process::geteuid().is_root() && self.uid != 0
    }
}

fn parse(name: &str, passwd: &str, group: &str) -> Option<User> {
    let fields = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let fields = fields.into_iter().find(|fields| fields.first() == Some(&name))?;
    let (uid, gid) = (fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?);
    let home = (*fields.get(5)?).to_owned();
    let mut groups = vec![gid];
    for line in group.lines() {
        let mut fields = line.split(':').skip(2);
        let (Some(id), Some(members)) = (fields.next(), fields.next()) else { continue };
        if let Ok(id) = id.parse()
            && id != gid
            && members.split(',').any(|member| member == name)
        {
            groups.push(id);
        }
    }
    Some(User { name: name.to_owned(), uid, gid, groups, home })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1001:Ada,,,:/home/ada:/bin/sh\nbroken:x:\n";
    const GROUP: &str = "root:x:0:\nada:x:1001:\nwww:x:33:bob,ada\ndisk:x:6:adam\n";

    #[test]
    fn a_user_has_its_own_group_and_those_that_list_it() {
        let ada = parse("ada", PASSWD, GROUP).expect("listed");
        assert_eq!(
            (ada.uid, ada.gid, ada.groups, ada.home.as_str()),
            (1000, 1001, vec![1001, 33], "/home/ada")
        );
        assert_eq!(parse("broken", PASSWD, GROUP), None);
        assert_eq!(parse("nobody-of-that-name", PASSWD, GROUP), None);
    }

    #[test]
    fn an_unknown_user_is_named() {
        assert!(User::find("no such user").expect_err("unknown").contains("`no such user` in /etc/passwd"));
    }
}
