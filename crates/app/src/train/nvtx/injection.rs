//! NVTX 3 without a library of its own: the tool that `NVTX_INJECTION64_PATH` names is loaded, and told where to put its functions.
//!
//! Protocol  `InitializeInjectionNvtx2(get_export_table)` of the tool returns 0 where it wants none of it. Of the export tables it asks for 1,
//!           which gives a module's table of places for functions, and 3, the version. A place that stays null is a function that the tool does
//!           not have.
//! Source    NVIDIA, NVTX v3, c/include/nvtx3/nvtxDetail/nvtxTypes.h (identifiers, structures) and nvtxInit.h (the order of calls)

use std::{
    ffi::{OsStr, c_int, c_uint, c_void},
    mem::transmute,
    ptr::{self, null_mut},
    sync::atomic::{AtomicPtr, Ordering},
};

use libloading::Library;

use super::{Pop, Push};

/// Places of each module's functions, the unused place 0 included: core, CUDA, OpenCL, CUDA runtime, core 2, synchronisation.
const SIZES: [usize; 6] = [16, 9, 15, 7, 16, 7];
/// The most of them.
const MOST: usize = 16;
/// `NVTX_CBID_CORE_RangePushA` and `NVTX_CBID_CORE_RangePop`.
const PLACES: [usize; 2] = [9, 11];

/// A module: places for functions, and the table of pointers to them that ends with a null.
struct Module {
    places: [AtomicPtr<c_void>; MOST],
    table: [AtomicPtr<AtomicPtr<c_void>>; MOST + 1],
}

static MODULES: [Module; SIZES.len()] = [const {
    Module {
        places: [const { AtomicPtr::new(null_mut()) }; MOST],
        table: [const { AtomicPtr::new(null_mut()) }; MOST + 1],
    }
}; SIZES.len()];

type Table = *const AtomicPtr<AtomicPtr<c_void>>;

#[repr(C)]
struct Callbacks {
    size: usize,
    module_table: unsafe extern "C" fn(c_int, *mut Table, *mut c_uint) -> c_int,
}

#[repr(C)]
struct Version {
    size: usize,
    version: u32,
    reserved: u32,
    set_tool_version: extern "C" fn(u32),
}

static CALLBACKS: Callbacks = Callbacks { size: size_of::<Callbacks>(), module_table };
static VERSION: Version = Version { size: size_of::<Version>(), version: 3, reserved: 0, set_tool_version };

/// Nothing hangs on the tool's version.
extern "C" fn set_tool_version(_: u32) {}

/// Says where the functions of a module go.
///
/// # Safety
/// Each of the pointers is null or may be written through.
unsafe extern "C" fn module_table(module: c_int, table: *mut Table, size: *mut c_uint) -> c_int {
    let Some(at) = usize::try_from(module).ok().and_then(|module| module.checked_sub(1)).filter(|at| *at < SIZES.len())
    else {
        return 0;
    };
    if !table.is_null() {
        // SAFETY: not null, and so may be written through.
        unsafe { table.write(MODULES[at].table.as_ptr()) };
    }
    if !size.is_null() {
        // SAFETY: as above.
        unsafe { size.write(SIZES[at] as c_uint) };
    }
    1
}

extern "C" fn export_table(id: u32) -> *const c_void {
    match id {
        1 => ptr::from_ref(&CALLBACKS).cast(),
        3 => ptr::from_ref(&VERSION).cast(),
        _ => ptr::null(),
    }
}

type Initialise = unsafe extern "C" fn(extern "C" fn(u32) -> *const c_void) -> c_int;

/// Loads a tool and gives its functions for ranges with it; the reason where there are none.
pub(super) fn load(path: &OsStr) -> Result<(Push, Pop, Library), String> {
    for (module, size) in MODULES.iter().zip(SIZES) {
        for (pointer, place) in module.table.iter().zip(&module.places[..size]) {
            place.store(null_mut(), Ordering::SeqCst);
            pointer.store(ptr::from_ref(place).cast_mut(), Ordering::SeqCst);
        }
    }
    // SAFETY: whoever sets the variable means the library to be loaded into programs; its initialisers are the tool's.
    let library = unsafe { Library::new(path) }.map_err(|error| error.to_string())?;
    // SAFETY: the type is that of the protocol, and the function is called while the library is there.
    let initialise = *unsafe { library.get::<Initialise>(b"InitializeInjectionNvtx2\0") }
        .map_err(|error| format!("it is no tool for NVTX: {error}"))?;
    // SAFETY: the function is the protocol's; all that it is handed is static.
    if unsafe { initialise(export_table) } == 0 {
        return Err("the tool wants no ranges (InitializeInjectionNvtx2 returned 0)".into());
    }
    let [push, pop] = PLACES.map(|place| MODULES[0].places[place].load(Ordering::SeqCst));
    if push.is_null() || pop.is_null() {
        return Err("the tool has no functions for ranges".into());
    }
    // SAFETY: what a tool puts in these places are functions of these types (nvtxTypes.h), which live as long as the library.
    Ok(unsafe { (transmute::<*mut c_void, Push>(push), transmute::<*mut c_void, Pop>(pop), library) })
}
