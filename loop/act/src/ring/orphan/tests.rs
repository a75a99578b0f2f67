//! Only rings of state folders that are gone are swept, when nobody uses them and nothing stays.
use super::*;
use crate::ring::WORDS;
use crate::ring::tests::record;

/// A folder with a ring in it and a state folder, removed with the test.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let base = std::env::temp_dir().join(format!("homeostat-orphan-{name}-{}", std::process::id()));
        std::fs::create_dir_all(base.join("state")).unwrap();
        Self(base)
    }

    fn path(&self) -> PathBuf {
        self.0.join("a.ring")
    }

    /// The ring as a keeper opens it.
    fn open(&self) -> Ring {
        let ring = Ring::open(&self.path()).unwrap();
        mark_in_use(&ring.file);
        write_owner(&ring.map.words()[..WORDS], &self.0.join("state"));
        ring
    }

    fn forget_state(&self) {
        std::fs::remove_dir_all(self.0.join("state")).unwrap();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_ring_goes_when_its_state_folder_and_its_process_are_gone() {
    let place = Place::new("goes");
    let ring = place.open();
    // Of a process that is no more: there is nothing to take back.
    ring.intend(&record(1, "a")).unwrap();
    let left = |what: &str| {
        let swept = sweep_one(&place.path()).unwrap();
        assert_eq!(swept, !place.path().exists(), "{what}");
        !swept
    };
    assert!(left("a process uses it and its state is there"));
    place.forget_state();
    assert!(left("a process uses it"));
    assert_eq!(ring.slots().count(), 1, "what stands was touched under its process");
    drop(ring);
    std::fs::create_dir(place.0.join("state")).unwrap();
    assert!(left("its state is there"));
    place.forget_state();
    assert!(!left("nobody is left"));
}

#[test]
fn a_ring_of_nobody_known_and_one_with_what_cannot_be_read_stay() {
    let place = Place::new("stays");
    let ring = Ring::open(&place.path()).unwrap();
    assert!(!sweep_one(&place.path()).unwrap(), "it does not say whose it is");
    write_owner(&ring.map.words()[..WORDS], &place.0.join("never was"));
    let slot = ring.intend(&record(1, "a")).unwrap();
    ring.words(slot)[6].fetch_xor(1, Ordering::Relaxed);
    assert!(!sweep_one(&place.path()).unwrap(), "a record is broken");
    ring.free(slot);
    assert!(sweep_one(&place.path()).unwrap());
}

#[test]
fn a_path_too_long_to_be_told_is_none() {
    let place = Place::new("long");
    let ring = Ring::open(&place.path()).unwrap();
    write_owner(&ring.map.words()[..WORDS], Path::new(&format!("/{}", "x".repeat(PATH_BYTES))));
    assert_eq!(owner(&ring.file), None);
    let longest = PathBuf::from(format!("/{}", "x".repeat(PATH_BYTES - 1)));
    write_owner(&ring.map.words()[..WORDS], &longest);
    assert_eq!(owner(&ring.file), Some(longest));
}
