//! `user[:group]` of an image or a run, looked up in the container's own passwd(5) and group(5),
//! by Docker's rules.

use crate::failure::{MACHINE, Result, failure};

/// Who the command runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// All groups, the primary one first.
    pub groups: Vec<u32>,
    /// `HOME`.
    pub home: Vec<u8>,
}

/// The largest id that Docker takes.
const MAX_ID: u32 = i32::MAX as u32;

/// Resolves `spec` with the contents of /etc/passwd and /etc/group, each empty when missing.
///
/// # Errors
/// A name that no line has, or a number over 2^31-1.
pub fn resolve(spec: &[u8], passwd: &[u8], group: &[u8]) -> Result<Account> {
    let mut parts = spec.splitn(2, |&byte| byte == b':');
    let user = parts.next().unwrap_or_default();
    let wanted_group = parts.next().unwrap_or_default();

    let number = parse_id(if user.is_empty() { b"0" } else { user })?;
    let entry = passwd
        .split(|&byte| byte == b'\n')
        .filter_map(User::parse)
        .find(|entry| number.map_or(entry.name == user, |uid| entry.uid == uid));
    let mut account = match (&entry, number) {
        (Some(entry), _) => Account {
            uid: entry.uid,
            gid: entry.gid,
            groups: vec![],
            home: if entry.home.is_empty() { b"/".to_vec() } else { entry.home.to_vec() },
        },
        (None, Some(uid)) => Account { uid, gid: 0, groups: vec![], home: b"/".to_vec() },
        (None, None) => return Err(unknown("user", user, "passwd")),
    };
    let groups = || group.split(|&byte| byte == b'\n').filter_map(Group::parse);
    if !wanted_group.is_empty() {
        account.gid = find_group(wanted_group, groups())?;
        account.groups = vec![account.gid];
    } else {
        account.groups = vec![account.gid];
        if let Some(entry) = entry {
            let member =
                |group: &Group| group.members.split(|&b| b == b',').any(|m| m == entry.name);
            account.groups.extend(groups().filter(member).map(|group| group.gid));
        }
    }
    Ok(account)
}

fn find_group<'a>(wanted: &[u8], mut groups: impl Iterator<Item = Group<'a>>) -> Result<u32> {
    let number = parse_id(wanted)?;
    groups
        .find(|group| number.map_or(group.name == wanted, |gid| group.gid == gid))
        .map(|group| group.gid)
        .or(number)
        .ok_or_else(|| unknown("group", wanted, "group"))
}

struct User<'a> {
    name: &'a [u8],
    uid: u32,
    gid: u32,
    home: &'a [u8],
}

impl<'a> User<'a> {
    /// `name:password:uid:gid:gecos:home:shell`, as Docker also without the last ones; a line that
    /// has no uid is skipped.
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.split(|&byte| byte == b':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let uid = number(fields.nth(1)?)?;
        let gid = fields.next().map_or(Some(0), number)?;
        let home = fields.nth(1).unwrap_or_default();
        Some(Self { name, uid, gid, home })
    }
}

struct Group<'a> {
    name: &'a [u8],
    gid: u32,
    members: &'a [u8],
}

impl<'a> Group<'a> {
    /// `name:password:gid:members`.
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.split(|&byte| byte == b':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let gid = number(fields.nth(1)?)?;
        let members = fields.next().unwrap_or_default();
        Some(Self { name, gid, members })
    }
}

fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(digits).ok()?.parse().ok()
}

/// A number when it is all digits, `None` when it is a name.
fn parse_id(text: &[u8]) -> Result<Option<u32>> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Ok(None);
    }
    match number(text) {
        Some(id) if id <= MAX_ID => Ok(Some(id)),
        _ => Err(failure(
            MACHINE,
            format!("uids and gids must be in range 0-{MAX_ID}: {}", String::from_utf8_lossy(text)),
        )),
    }
}

fn unknown(what: &str, name: &[u8], file: &str) -> c2w_guest_abi::Failure {
    let name = String::from_utf8_lossy(name);
    failure(MACHINE, format!("unable to find {what} {name}: no matching entries in {file} file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\n\
        broken line\n\
        app:x:1000:1001:App:/home/app:/bin/sh\n\
        nohome:x:7:8::\n\
        12:x:55:56::/digits:\n\
        short:x:9\n";
    const GROUP: &[u8] = b"root:x:0:\nwheel:x:10:root,app\nappgroup:x:1001:\naudio:x:29:app\n";

    fn account(spec: &str) -> (u32, u32, Vec<u32>, String) {
        let account = resolve(spec.as_bytes(), PASSWD, GROUP).unwrap();
        (account.uid, account.gid, account.groups, String::from_utf8(account.home).unwrap())
    }

    #[test]
    fn names_and_numbers_find_the_same_line() {
        let app = (1000, 1001, vec![1001, 10, 29], "/home/app".to_string());
        assert_eq!(account("app"), app);
        assert_eq!(account("1000"), app);
        let root = (0, 0, vec![0, 10], "/root".to_string());
        assert_eq!(account(""), root);
        assert_eq!(account("0"), root);
    }

    #[test]
    fn an_explicit_group_replaces_all_groups() {
        assert_eq!(account("app:audio"), (1000, 29, vec![29], "/home/app".into()));
        assert_eq!(account("app:77"), (1000, 77, vec![77], "/home/app".into()));
        assert_eq!(account(":29"), (0, 29, vec![29], "/root".into()));
    }

    #[test]
    fn a_number_without_a_line_needs_none() {
        assert_eq!(account("4242"), (4242, 0, vec![0], "/".into()));
        assert_eq!(account("12"), (12, 0, vec![0], "/".into()));
        assert_eq!(account("nohome"), (7, 8, vec![8], "/".into()));
        assert_eq!(account("short"), (9, 0, vec![0], "/".into()));
        let bare = resolve(b"5:6", b"", b"").unwrap();
        assert_eq!((bare.uid, bare.gid, bare.groups), (5, 6, vec![6]));
    }

    #[test]
    fn unknown_names_and_huge_numbers_are_refused() {
        for (spec, message) in [
            ("ghost", "unable to find user ghost: no matching entries in passwd file"),
            ("app:ghosts", "unable to find group ghosts: no matching entries in group file"),
            ("2147483648", "uids and gids must be in range 0-2147483647: 2147483648"),
            ("99999999999999999999", "range"),
        ] {
            let failed = resolve(spec.as_bytes(), PASSWD, GROUP).unwrap_err();
            assert!(failed.message.contains(message), "{spec}: {}", failed.message);
            assert_eq!(failed.status, MACHINE);
        }
    }
}
