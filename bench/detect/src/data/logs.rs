//! Log event sequences (`ait-log-sequences/SET/FILE`: an optional `id,`, then template numbers).
use std::path::Path;

use super::{DataError, read, tokens};

/// Training sequences, and labelled test sequences.
pub struct Sequences {
    /// Normal sequences to train on.
    pub train: Vec<Vec<u32>>,
    /// Normal sequences to test on.
    pub normal: Vec<Vec<u32>>,
    /// Anomalous sequences.
    pub abnormal: Vec<Vec<u32>>,
}

/// HDFS: the set holds one normal file; its first half trains, the second half is tested.
pub fn hdfs(dir: &Path) -> Result<Sequences, DataError> {
    let root = dir.join("ait-log-sequences/hdfs_xu");
    let mut train = file(&root.join("hdfs_train"))?;
    let normal = train.split_off(train.len() / 2);
    Ok(Sequences { train, normal, abnormal: file(&root.join("hdfs_test_abnormal"))? })
}

/// OpenStack (Kalaki): three files.
pub fn openstack(dir: &Path) -> Result<Sequences, DataError> {
    let root = dir.join("ait-log-sequences/openstack_parisakalaki");
    Ok(Sequences {
        train: file(&root.join("openstack_train"))?,
        normal: file(&root.join("openstack_test_normal"))?,
        abnormal: file(&root.join("openstack_test_abnormal"))?,
    })
}

fn file(path: &Path) -> Result<Vec<Vec<u32>>, DataError> {
    Ok(read(path)?.lines().map(|l| tokens(l.split_once(',').map_or(l, |s| s.1))).collect())
}
