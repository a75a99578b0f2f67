//! The process table in one read, from the kernel's task iterator instead of a file per process.

use std::io::Read;

use aya::programs::Iter;
use aya::{Btf, Ebpf, EbpfLoader};

use crate::intf::{Plain, TaskRow};
use crate::missing::{Lack, has_capabilities, running_kernel};
use crate::programs::{Object, PROGRAMS};
use crate::{Error, sys};

/// Bytes a read asks for. The kernel hands out at most one page a call, filled with whole records.
const CHUNK: usize = 64 * 1024;

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
        if let Some(lack) = Lack::age(spec, running_kernel()) {
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
        let failed = |e: &dyn std::fmt::Display| Error::Tasks(e.to_string());
        let mut file = self.open().map_err(|e| failed(&e))?;
        self.buffer.resize(CHUNK, 0);
        let mut kept = 0;
        loop {
            let read = file.read(&mut self.buffer[kept..]).map_err(|e| failed(&e))?;
            if read == 0 {
                return Ok(());
            }
            let (end, size) = (kept + read, size_of::<TaskRow>());
            rows.extend(self.buffer[..end].chunks_exact(size).filter_map(TaskRow::from_bytes));
            // A record may be cut by the end of a read: keep its beginning.
            kept = end % size;
            self.buffer.copy_within(end - kept..end, 0);
        }
    }

    /// A new pass over the tasks.
    fn open(&mut self) -> Result<std::fs::File, Box<dyn std::error::Error>> {
        let program = self.ebpf.program_mut("task_rows").ok_or("the program is gone")?;
        let program: &mut Iter = program.try_into()?;
        let id = program.attach()?;
        Ok(program.take_link(id)?.into_file()?)
    }
}
