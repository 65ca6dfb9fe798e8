//! The store alone; with registries and other processes: `tests/cache.rs`.

use super::*;
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("a/b")).unwrap();
    (dir, store)
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

fn content(mut file: File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Appends what is missing of `bytes`, as a download does.
fn rest_of(bytes: &[u8]) -> impl FnMut(&mut File) -> Result<(), ErrorKind> {
    move |file| {
        let have = file.seek(io::SeekFrom::End(0)).unwrap() as usize;
        file.write_all(&bytes[have.min(bytes.len())..]).map_err(ErrorKind::io("test"))
    }
}

fn fetch(store: &Store, bytes: &[u8]) -> Vec<u8> {
    let file = store.fetch(&digest(bytes), rest_of(bytes)).unwrap();
    content(file)
}

fn unreachable_source(_: &mut File) -> Result<(), ErrorKind> {
    panic!("the store has it")
}

fn partials(store: &Store) -> usize {
    fs::read_dir(store.partials()).unwrap().count()
}

#[test]
fn where_the_store_is() {
    let dir = |variables: &[(&str, &str)]| {
        dir_in(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()))
    };
    let own = ("C2W_CACHE_DIR", "own");
    let (xdg, home) = (("XDG_CACHE_HOME", "/xdg"), ("HOME", "/h"));
    assert_eq!(dir(&[own, xdg, home]), Some("own".into()));
    assert_eq!(dir(&[("C2W_CACHE_DIR", ""), xdg, home]), Some("/xdg/c2w".into()));
    assert_eq!(dir(&[("XDG_CACHE_HOME", "relative"), home]), Some("/h/.cache/c2w".into()));
    assert_eq!(dir(&[("HOME", "")]), None);
    assert_eq!(dir(&[]), None);
}

#[test]
fn what_came_once_is_kept_for_its_owner_only() {
    let (_dir, store) = store();
    for bytes in [&b"hello"[..], b""] {
        assert!(!store.has(&digest(bytes)));
        assert_eq!(fetch(&store, bytes), bytes);
        let again = store.fetch(&digest(bytes), unreachable_source).unwrap();
        assert_eq!(content(again), bytes);
    }
    store.put(&digest(b"document"), b"document");
    assert_eq!(content(store.get(&digest(b"document")).unwrap()), b"document");
    store.put(&digest(b"document 2"), b"something else");
    assert!(store.get(&digest(b"document 2")).is_none());
    assert_eq!(partials(&store), 0);
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!((mode(store.dir()), mode(&store.blob_path(&digest(b"hello")))), (0o700, 0o600));
}

#[test]
fn a_spoilt_blob_is_removed_and_comes_anew() {
    let (_dir, store) = store();
    for spoilt in [&b"hellO"[..], b"hell", b"", b"hello!"] {
        assert_eq!(fetch(&store, b"hello"), b"hello");
        fs::write(store.blob_path(&digest(b"hello")), spoilt).unwrap();
        assert!(store.has(&digest(b"hello")));
        assert!(store.get(&digest(b"hello")).is_none());
        assert!(!store.has(&digest(b"hello")));
    }
    assert_eq!(fetch(&store, b"hello"), b"hello");
}

#[test]
fn a_download_goes_on_where_the_last_run_was_cut() {
    let (_dir, store) = store();
    let bytes = b"0123456789";
    let mut had = Vec::new();
    let broken = store.fetch(&digest(bytes), |file| {
        file.write_all(&bytes[..4]).unwrap();
        Err(ErrorKind::NotFound("cut".into()))
    });
    assert!(broken.is_err() && partials(&store) == 1);
    let whole = store.fetch(&digest(bytes), |file| {
        had.push(file.metadata().unwrap().len());
        rest_of(bytes)(file)
    });
    assert_eq!((content(whole.unwrap()), had), (bytes.to_vec(), vec![4]));
    assert_eq!(partials(&store), 0);
}

#[test]
fn what_was_never_right_is_not_kept() {
    let (_dir, store) = store();
    let refused = store.fetch(&digest(b"right"), |_| Err(ErrorKind::NotFound("gone".into())));
    assert!(refused.is_err() && partials(&store) == 0);
    // Not even when `receive` has answered for it: the next look finds it out.
    store.fetch(&digest(b"right"), rest_of(b"wrong")).unwrap();
    assert!(store.get(&digest(b"right")).is_none() && !store.has(&digest(b"right")));
}

#[test]
fn one_receives_and_the_others_wait() {
    let (_dir, store) = store();
    let (bytes, received) = (vec![7; 1 << 20], AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let file = store.fetch(&digest(&bytes), |file| {
                    received.fetch_add(1, Ordering::SeqCst);
                    rest_of(&bytes)(file)
                });
                assert!(content(file.unwrap()) == bytes);
            });
        }
    });
    assert_eq!(received.into_inner(), 1);
}

#[test]
fn what_cannot_be_kept_is_read_all_the_same() {
    let (_dir, store) = store();
    fs::remove_dir(store.partials()).unwrap();
    assert_eq!(fetch(&store, b"hello"), b"hello");
    store.put(&digest(b"document"), b"document");
    assert!(store.entries().unwrap().is_empty());
    // A file in the place of the folder.
    assert!(Store::open(&store.blobs().join("sha256")).is_ok());
    let file = store.dir().join("file");
    fs::write(&file, "").unwrap();
    assert!(Store::open(&file).is_err());
}

#[test]
fn pruning_keeps_what_was_asked_for() {
    let (_dir, store) = store();
    let day = Duration::from_secs(86400);
    let ages = [(&b"new"[..], 0), (b"older", 10), (b"oldest", 100)];
    let fill = || {
        for (bytes, days) in ages {
            fetch(&store, bytes);
            let file = File::open(store.blob_path(&digest(bytes))).unwrap();
            file.set_modified(SystemTime::now() - day * days).unwrap();
        }
    };
    let left = || store.entries().unwrap().into_iter().map(|e| e.size).collect::<Vec<_>>();
    fill();
    assert_eq!(left(), [3, 5, 6]);
    let cases = [
        (Keep::UsedWithin(day * 50), vec![3, 5], Removed { files: 1, bytes: 6 }),
        (Keep::UsedWithin(day), vec![3], Removed { files: 2, bytes: 11 }),
        (Keep::Bytes(13), vec![3, 5], Removed { files: 1, bytes: 6 }),
        (Keep::Bytes(14), vec![3, 5, 6], Removed::default()),
        (Keep::Bytes(2), vec![], Removed { files: 3, bytes: 14 }),
        (Keep::Nothing, vec![], Removed { files: 3, bytes: 14 }),
    ];
    for (keep, stays, removed) in cases {
        fill();
        assert_eq!(store.prune(keep).unwrap(), removed, "{keep:?}");
        assert_eq!(left(), stays, "{keep:?}");
    }
}

#[test]
fn pruning_leaves_downloads_under_way_alone() {
    let (_dir, store) = store();
    let under_way = Partial::lock(&store, &digest(b"under way")).unwrap();
    let left = store.partials().join("sha256-left");
    fs::write(&left, "four").unwrap();
    fs::write(store.blobs().join("sha256/no-digest"), "").unwrap();
    assert_eq!(store.prune(Keep::Nothing).unwrap(), Removed { files: 1, bytes: 4 });
    assert!(under_way.path.exists() && !left.exists());
    drop(under_way);
    assert_eq!(store.prune(Keep::Nothing).unwrap(), Removed { files: 1, bytes: 0 });
}
