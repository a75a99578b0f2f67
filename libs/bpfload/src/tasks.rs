//! The process table in one read, from the kernel's task iterator instead of a file per process.

use std::io::Read;

use aya::programs::Iter;
use aya::{Btf, Ebpf, EbpfLoader};

use crate::intf::{Plain, TaskRow};
use crate::load::Kernel;
use crate::missing::{Lack, has_capabilities};
use crate::programs::{Object, PROGRAMS};
use crate::{Error, sys};

/// The iterator.
const PROGRAM: &str = "task_rows";
/// Bytes a read asks for. The kernel hands out at most eight pages a call, filled with whole records.
const CHUNK: usize = 32 * 1024;

/// The loaded iterator.
pub struct Tasks {
    ebpf: Ebpf,
    buffer: Vec<u8>,
}

impl Tasks {
    /// Loads the iterator. Errors: why this machine has none, and what would bring it.
    pub fn load() -> Result<Self, Lack> {
        if !has_capabilities() {
            return Err(Lack::privilege());
        }
        let loaded = Self::load_privileged();
        sys::release_heap();
        loaded
    }

    fn load_privileged() -> Result<Self, Lack> {
        let spec = PROGRAMS.iter().find(|s| s.object == Object::Tasks).ok_or_else(Lack::privilege)?;
        if let Some(lack) = Lack::here(spec) {
            return Err(lack);
        }
        #[expect(
            clippy::needless_late_init,
            reason = "declared first so that it is dropped after the loader"
        )]
        let types;
        let mut loader = EbpfLoader::new();
        loader.btf(None);
        types = Btf::from_sys_fs().map_err(|e| Lack::types(&e))?;
        let mut ebpf = loader.btf(Some(&types)).load(Object::Tasks.code()).map_err(|e| Lack::object(&e))?;
        let load = |ebpf: &mut Ebpf| {
            let program = ebpf.program_mut(spec.name).ok_or(aya::programs::ProgramError::NotLoaded)?;
            <&mut Iter>::try_from(program)?.load("task", &types)
        };
        load(&mut ebpf).map_err(|e| Lack::program(spec, &e))?;
        Ok(Self { ebpf, buffer: Vec::new() })
    }

    /// Appends a row for every thread to `rows`, kernel threads too, in no promised order.
    pub fn read_into(&mut self, rows: &mut Vec<TaskRow>) -> Result<(), Error> {
        read_pass(&mut self.ebpf, &mut self.buffer, rows, usize::MAX)?;
        Ok(())
    }
}

impl Kernel {
    /// Appends a row for every thread to `rows` until these are `max`, kernel threads too, in no promised order; false
    /// if there were more.
    ///
    /// Errors: [`Object::Tasks`] is not loaded, or the kernel refuses the pass.
    pub fn tasks_into(&mut self, rows: &mut Vec<TaskRow>, max: usize) -> Result<bool, Error> {
        let loaded = self.loaded.iter_mut().find(|one| one.object == Object::Tasks);
        let loaded = loaded.ok_or_else(|| Error::NotLoaded(PROGRAM.to_owned()))?;
        read_pass(&mut loaded.ebpf, &mut self.tasks_buffer, rows, max)
    }
}

/// One pass over the tasks, until `rows` are `max`; false if there were more.
fn read_pass(
    ebpf: &mut Ebpf,
    buffer: &mut Vec<u8>,
    rows: &mut Vec<TaskRow>,
    max: usize,
) -> Result<bool, Error> {
    let failed = |e: &dyn std::fmt::Display| Error::Tasks(e.to_string());
    let mut file = open(ebpf).map_err(|e| failed(&e))?;
    buffer.resize(CHUNK, 0);
    let mut kept = 0;
    loop {
        let read = file.read(&mut buffer[kept..]).map_err(|e| failed(&e))?;
        if read == 0 {
            return Ok(true);
        }
        let (end, size) = (kept + read, size_of::<TaskRow>());
        rows.extend(buffer[..end].chunks_exact(size).filter_map(TaskRow::from_bytes));
        if rows.len() >= max {
            return Ok(false);
        }
        // A record may be cut by the end of a read: keep its beginning.
        kept = end % size;
        buffer.copy_within(end - kept..end, 0);
    }
}

/// A new pass over the tasks.
fn open(ebpf: &mut Ebpf) -> Result<std::fs::File, Box<dyn std::error::Error>> {
    let program: &mut Iter = ebpf.program_mut(PROGRAM).ok_or("the program is gone")?.try_into()?;
    let id = program.attach()?;
    Ok(program.take_link(id)?.into_file()?)
}
