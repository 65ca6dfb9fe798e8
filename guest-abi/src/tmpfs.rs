//! The options of `--tmpfs`, mount(8)'s: checked where they are written, applied where it is
//! mounted.

/// What an option asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TmpfsOption<'a> {
    /// A flag of mount(2) to set or to clear.
    Flag(TmpfsFlag, bool),
    /// One of tmpfs(5).
    Own(&'a [u8]),
    /// One that Docker takes and that means nothing to a file system in memory of one container.
    Ignored,
}

/// Flags of mount(2), by their names there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TmpfsFlag {
    /// `MS_RDONLY`.
    ReadOnly,
    /// `MS_NOSUID`.
    NoSuid,
    /// `MS_NODEV`.
    NoDev,
    /// `MS_NOEXEC`.
    NoExec,
    /// `MS_NOATIME`.
    NoAtime,
    /// `MS_NODIRATIME`.
    NoDirAtime,
    /// `MS_STRICTATIME`.
    StrictAtime,
}

/// The options in a list with commas; `None` in the place of one that Docker does not know.
pub fn options(list: &[u8]) -> impl Iterator<Item = (&[u8], Option<TmpfsOption<'_>>)> {
    let words = list.split(|&byte| byte == b',').filter(|word| !word.is_empty());
    words.map(|word| (word, option(word)))
}

fn option(word: &[u8]) -> Option<TmpfsOption<'_>> {
    use TmpfsFlag::{NoAtime, NoDev, NoDirAtime, NoExec, NoSuid, ReadOnly, StrictAtime};
    use TmpfsOption::{Flag, Ignored, Own};
    const OWN: [&[u8]; 8] =
        [b"size", b"nr_blocks", b"nr_inodes", b"mode", b"uid", b"gid", b"mpol", b"huge"];
    Some(match word {
        b"ro" => Flag(ReadOnly, true),
        b"rw" => Flag(ReadOnly, false),
        b"nosuid" => Flag(NoSuid, true),
        b"suid" => Flag(NoSuid, false),
        b"nodev" => Flag(NoDev, true),
        b"dev" => Flag(NoDev, false),
        b"noexec" => Flag(NoExec, true),
        b"exec" => Flag(NoExec, false),
        b"noatime" => Flag(NoAtime, true),
        b"atime" => Flag(NoAtime, false),
        b"nodiratime" => Flag(NoDirAtime, true),
        b"diratime" => Flag(NoDirAtime, false),
        b"strictatime" => Flag(StrictAtime, true),
        b"nostrictatime" | b"relatime" => Flag(StrictAtime, false),
        b"defaults" | b"norelatime" | b"sync" | b"async" | b"dirsync" | b"mand" | b"nomand"
        | b"private" | b"rprivate" | b"slave" | b"rslave" | b"shared" | b"rshared"
        | b"unbindable" | b"runbindable" => Ignored,
        b"noswap" | b"inode32" | b"inode64" => Own(word),
        _ => {
            let key = &word[..word.iter().position(|&byte| byte == b'=')?];
            OWN.contains(&key).then_some(Own(word))?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_takes_is_known() {
        let read = |list: &'static str| options(list.as_bytes()).map(|(_, option)| option);
        let mut known = read("ro,,size=1m,noatime,relatime,rprivate");
        assert_eq!(known.next(), Some(Some(TmpfsOption::Flag(TmpfsFlag::ReadOnly, true))));
        assert_eq!(known.next(), Some(Some(TmpfsOption::Own(b"size=1m"))));
        assert!(known.all(|option| option.is_some()));
        for unknown in ["size", "volume", "bind", "Size=1", "x=1", "=1"] {
            assert_eq!(read(unknown).collect::<alloc::vec::Vec<_>>(), [None], "{unknown}");
        }
    }
}
