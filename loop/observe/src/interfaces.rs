//! Collector `interfaces`: traffic of the network interfaces of our own network namespace.
use std::path::Path;
use std::sync::Arc;

use kernfs::{NetDev, ProcFs};
use vocab::sample::InterfaceSample;

use crate::ledger::Report;

/// Reads `net/dev`, and from sys whether each interface has a carrier.
pub(crate) fn read(
    proc: &mut ProcFs,
    sys_root: &Path,
    devices: &mut Vec<NetDev>,
    report: &mut Report,
) -> Option<Vec<InterfaceSample>> {
    report.dropped += report.take(proc.net_dev(devices))? as u64;
    let mut rows: Vec<_> = devices.iter().map(|device| row(device, sys_root)).collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    report.rows = rows.len();
    Some(rows)
}

fn row(device: &NetDev, sys_root: &Path) -> InterfaceSample {
    let name: Arc<str> = Arc::from(device.name.to_string());
    InterfaceSample {
        is_up: carrier(&sys_root.join("class/net").join(&*name).join("carrier")),
        name,
        receive_bytes: device.rx_bytes,
        receive_packets: device.rx_packets,
        receive_errors: device.rx_errors.saturating_add(device.rx_dropped),
        send_bytes: device.tx_bytes,
        send_packets: device.tx_packets,
        send_errors: device.tx_errors.saturating_add(device.tx_dropped),
    }
}

/// Whether there is a carrier; the kernel answers EINVAL for an interface that is switched off.
fn carrier(file: &Path) -> Option<bool> {
    match std::fs::read(file) {
        Ok(text) => Some(text.trim_ascii() == b"1"),
        Err(error) => (error.kind() == std::io::ErrorKind::InvalidInput).then_some(false),
    }
}
