//! Calls and puts as Python writes them: a word, or an array of words.

use numpy::{PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use zomma_base::OptionType;

use crate::argument::{self, Value};

/// The code of a word that is neither.
pub const NEITHER: u8 = 2;

/// The type that a code stands for; a row with another code has a status, and its type does not matter.
pub fn of_code(code: u8) -> OptionType {
    if code == 0 { OptionType::Call } else { OptionType::Put }
}

/// The code of a word.
pub fn code_of(word: &str) -> u8 {
    code_of_cell(word.as_bytes())
}

/// The code of a cell of NumPy's: characters in either case, then zeros to the cell's end. Types alternate at random, so that every
/// branch on them would be mispredicted: there is none.
#[inline]
fn code_of_cell<C: Copy + Into<u32>>(cell: &[C]) -> u8 {
    let call = is(cell, b"c") | is(cell, b"call");
    let put = is(cell, b"p") | is(cell, b"put");
    if call {
        0
    } else if put {
        1
    } else {
        NEITHER
    }
}

/// Whether a cell holds a word of small letters, in either case.
#[inline]
fn is<C: Copy + Into<u32>>(cell: &[C], word: &[u8]) -> bool {
    const CASE: u32 = (b'a' ^ b'A') as u32;
    let wanted = word.iter().map(|&letter| (letter.into(), CASE)).chain(std::iter::repeat((0_u32, 0)));
    let same =
        cell.iter().zip(wanted).fold(true, |same, (&have, (letter, case))| same & (have.into() | case == letter));
    same & (word.len() <= cell.len())
}

/// Reads the argument `option_type`. A single word that is neither is an error; in an array it is its row's.
pub fn read<'py>(object: &Bound<'py, PyAny>) -> PyResult<Value<'py, u8>> {
    if let Ok(word) = object.cast::<PyString>() {
        let word = word.to_cow()?;
        return match code_of(&word) {
            NEITHER => Err(PyValueError::new_err(format!("option_type: {word:?}: allowed are 'call' and 'put'"))),
            code => Ok(Value::Scalar(code)),
        };
    }
    let words = argument::as_array("option_type", object)?;
    let dtype = words.dtype();
    let codes = match dtype.kind() {
        b'U' if dtype.is_native_byteorder() == Some(true) && dtype.itemsize() > 0 => cells::<u32>(&words, "u4")?,
        b'S' if dtype.itemsize() > 0 => cells::<u8>(&words, "u1")?,
        b'U' | b'S' | b'T' | b'O' => objects(&words.call_method1("astype", ("O",))?)?,
        _ => {
            return Err(PyTypeError::new_err(format!(
                "option_type: dtype {dtype}: strings are allowed, 'call' and 'put'"
            )));
        }
    };
    let flat = numpy::PyArray1::from_vec(words.py(), codes);
    let shaped = flat.call_method1("reshape", (pyo3::types::PyTuple::new(words.py(), words.shape())?,))?;
    Ok(Value::Array(shaped.cast_into::<PyArrayDyn<u8>>()?.readonly()))
}

/// The code of each element of an array whose elements are characters of `C`.
fn cells<C: Copy + Into<u32> + numpy::Element>(
    words: &Bound<'_, PyUntypedArray>,
    character: &str,
) -> PyResult<Vec<u8>> {
    let width = words.dtype().itemsize() / size_of::<C>();
    if words.is_empty() {
        return Ok(Vec::new());
    }
    let flat = words.call_method1("reshape", (-1,))?.call_method1("astype", (words.dtype(), "C"))?;
    let characters = flat.call_method1("view", (character,))?.cast_into::<PyArrayDyn<C>>()?.readonly();
    let characters = characters.as_slice()?;
    Ok(match width {
        1 => codes_of::<C, 1>(characters),
        4 => codes_of::<C, 4>(characters),
        _ => characters.chunks_exact(width).map(code_of_cell).collect(),
    })
}

/// The codes of cells of `W` characters: with the width known, the compiler makes vector instructions of it.
fn codes_of<C: Copy + Into<u32>, const W: usize>(characters: &[C]) -> Vec<u8> {
    characters.as_chunks::<W>().0.iter().map(|cell| code_of_cell(cell)).collect()
}

/// The code of each Python object of an array.
fn objects(words: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let py = words.py();
    let words = words.cast::<PyArrayDyn<Py<PyAny>>>()?.readonly();
    let code = |word: &Py<PyAny>| {
        let word = word.bind(py);
        if let Ok(text) = word.cast::<PyString>() {
            return text.to_cow().map_or(NEITHER, |text| code_of(&text));
        }
        word.cast::<PyBytes>().map_or(NEITHER, |bytes| code_of_cell(bytes.as_bytes()))
    };
    Ok(words.as_array().iter().map(code).collect())
}
