//! Calls and puts as Python writes them: a word, or an array of words.

use std::ops::Range;

use numpy::{
    PyArray1, PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyReadonlyArray1, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};
use zomma_base::OptionType;

use crate::argument::{self, Value};
use crate::rows;

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

/// The argument `option_type`.
#[derive(Debug)]
pub enum Words<'py> {
    /// A word for every row, or the codes of an array.
    Codes(Value<'py, u8>),
    /// NumPy's words as they lie in memory, whose codes are made where they are used.
    Cells(Characters<'py>),
}

/// An array of words of one width, by its characters.
#[derive(Debug)]
pub struct Characters<'py> {
    flat: Flat<'py>,
    width: usize,
    shape: Vec<usize>,
}

#[derive(Debug)]
enum Flat<'py> {
    /// Of dtype U.
    Wide(PyReadonlyArray1<'py, u32>),
    /// Of dtype S.
    Narrow(PyReadonlyArray1<'py, u8>),
}

/// Words of one width, one a row.
#[derive(Clone, Copy, Debug)]
pub struct Cells<'a> {
    characters: Letters<'a>,
    width: usize,
}

#[derive(Clone, Copy, Debug)]
enum Letters<'a> {
    Wide(&'a [u32]),
    Narrow(&'a [u8]),
}

impl<'py> Words<'py> {
    /// Whether it is one word, not an array of one.
    pub fn is_scalar(&self) -> bool {
        matches!(self, Self::Codes(Value::Scalar(_)))
    }

    /// Extents; none for a single word.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::Codes(codes) => codes.shape(),
            Self::Cells(characters) => &characters.shape,
        }
    }

    /// As words of the whole shape.
    pub fn spread(self, shape: &[usize]) -> PyResult<Self> {
        match self {
            Self::Cells(characters) if characters.shape == shape => Ok(Self::Cells(characters)),
            Self::Cells(characters) => Ok(Self::Codes(rows::spread(characters.codes()?, shape)?)),
            Self::Codes(codes) => Ok(Self::Codes(rows::spread(codes, shape)?)),
        }
    }

    /// The code of the only row.
    pub fn only(&self) -> u8 {
        match self {
            Self::Codes(codes) => rows::at(codes, &[]),
            Self::Cells(characters) => {
                let mut code = [NEITHER];
                characters.as_cells().slice(0..1).codes_into(&mut code);
                code[0]
            }
        }
    }
}

impl<'py> Characters<'py> {
    /// The words of a native array of dtype U or S.
    fn new(words: &Bound<'py, PyUntypedArray>) -> PyResult<Self> {
        let py = words.py();
        let (bytes, shape) = (words.dtype().itemsize(), words.shape().to_vec());
        // Words that do not lie one after the other, or not where their characters may, are copied.
        let rows = py.import("numpy")?.getattr("require")?.call1((words, py.None(), ["C", "A"]))?;
        let rows = rows.call_method1("reshape", (-1,))?;
        Ok(if words.dtype().kind() == b'U' {
            let flat = rows.call_method1("view", ("u4",))?.cast_into::<PyArray1<u32>>()?;
            Self { flat: Flat::Wide(flat.readonly()), width: bytes / size_of::<u32>(), shape }
        } else {
            let flat = rows.call_method1("view", ("u1",))?.cast_into::<PyArray1<u8>>()?;
            Self { flat: Flat::Narrow(flat.readonly()), width: bytes, shape }
        })
    }

    /// The words in memory.
    pub fn as_cells(&self) -> Cells<'_> {
        // They were made contiguous.
        let characters = match &self.flat {
            Flat::Wide(flat) => Letters::Wide(flat.as_slice().unwrap_or_default()),
            Flat::Narrow(flat) => Letters::Narrow(flat.as_slice().unwrap_or_default()),
        };
        Cells { characters, width: self.width }
    }

    /// Their codes, as an array of the same shape.
    fn codes(&self) -> PyResult<Value<'py, u8>> {
        let mut codes = vec![NEITHER; self.shape.iter().product()];
        self.as_cells().codes_into(&mut codes);
        let py = match &self.flat {
            Flat::Wide(flat) => flat.py(),
            Flat::Narrow(flat) => flat.py(),
        };
        shaped(py, codes, &self.shape)
    }
}

impl Cells<'_> {
    /// Some of the rows.
    pub fn slice(&self, rows: Range<usize>) -> Self {
        let range = rows.start * self.width..rows.end * self.width;
        let characters = match self.characters {
            Letters::Wide(letters) => Letters::Wide(&letters[range]),
            Letters::Narrow(letters) => Letters::Narrow(&letters[range]),
        };
        Self { characters, width: self.width }
    }

    /// The code of each row.
    pub fn codes_into(&self, out: &mut [u8]) {
        match self.characters {
            Letters::Wide(letters) => codes_into(letters, self.width, out),
            Letters::Narrow(letters) => codes_into(letters, self.width, out),
        }
    }
}

/// Codes as an array.
fn shaped<'py>(py: Python<'py>, codes: Vec<u8>, shape: &[usize]) -> PyResult<Value<'py, u8>> {
    let shaped = PyArray1::from_vec(py, codes).call_method1("reshape", (PyTuple::new(py, shape)?,))?;
    Ok(Value::Array(shaped.cast_into::<PyArrayDyn<u8>>()?.readonly()))
}

/// Reads the argument `option_type`. A single word that is neither is an error; in an array it is its row's.
pub fn read<'py>(object: &Bound<'py, PyAny>) -> PyResult<Words<'py>> {
    if let Ok(word) = object.cast::<PyString>() {
        let word = word.to_cow()?;
        return match code_of(&word) {
            NEITHER => Err(PyValueError::new_err(format!("option_type: {word:?}: allowed are 'call' and 'put'"))),
            code => Ok(Words::Codes(Value::Scalar(code))),
        };
    }
    let words = argument::as_array("option_type", object)?;
    let dtype = words.dtype();
    match dtype.kind() {
        b'U' if dtype.is_native_byteorder() == Some(true) && dtype.itemsize() > 0 => {
            Ok(Words::Cells(Characters::new(&words)?))
        }
        b'S' if dtype.itemsize() > 0 => Ok(Words::Cells(Characters::new(&words)?)),
        b'U' | b'S' | b'T' | b'O' => {
            let codes = objects(&words.call_method1("astype", ("O",))?)?;
            Ok(Words::Codes(shaped(words.py(), codes, words.shape())?))
        }
        _ => Err(PyTypeError::new_err(format!("option_type: dtype {dtype}: strings are allowed, 'call' and 'put'"))),
    }
}

/// The code of each cell of `width` characters: with the width known, the compiler makes vector instructions of it.
fn codes_into<C: Copy + Into<u32>>(characters: &[C], width: usize, out: &mut [u8]) {
    match width {
        1 => out.iter_mut().zip(characters.as_chunks::<1>().0).for_each(|(out, cell)| *out = code_of_cell(cell)),
        4 => out.iter_mut().zip(characters.as_chunks::<4>().0).for_each(|(out, cell)| *out = code_of_cell(cell)),
        _ => out.iter_mut().zip(characters.chunks_exact(width)).for_each(|(out, cell)| *out = code_of_cell(cell)),
    }
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
