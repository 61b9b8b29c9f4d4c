//! Calls and puts as Python writes them: a word, or an array of words.

use numpy::{PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::basic::CompareOp;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use zomma_base::OptionType;

use crate::argument::{self, Value};

/// The code of a word that is neither.
pub const NEITHER: u8 = 2;

/// The words, and the code that each stands for. The first of each kind is the one that messages name.
const WORDS: [(&str, u8); 10] =
    [("call", 0), ("put", 1), ("c", 0), ("p", 1), ("C", 0), ("P", 1), ("Call", 0), ("Put", 1), ("CALL", 0), ("PUT", 1)];

/// The type that a code stands for; a row with another code has a status, and its type does not matter.
pub fn of_code(code: u8) -> OptionType {
    if code == 0 { OptionType::Call } else { OptionType::Put }
}

/// Reads the argument `option_type`. A single word that is neither is an error; in an array it is its row's.
pub fn read<'py>(object: &Bound<'py, PyAny>) -> PyResult<Value<'py, u8>> {
    if let Ok(word) = object.cast::<PyString>() {
        let word = word.to_cow()?;
        let found = WORDS.iter().find(|(known, _)| *known == word);
        return match found {
            Some((_, code)) => Ok(Value::Scalar(*code)),
            None => Err(PyValueError::new_err(format!("option_type: {word:?}: allowed are 'call' and 'put'"))),
        };
    }
    let words = argument::as_array("option_type", object)?;
    match words.dtype().kind() {
        b'U' | b'O' | b'T' => codes(&words, |word| PyString::new(object.py(), word).into_any()),
        b'S' => codes(&words, |word| PyBytes::new(object.py(), word.as_bytes()).into_any()),
        _ => Err(PyTypeError::new_err(format!(
            "option_type: dtype {}: strings are allowed, 'call' and 'put'",
            words.dtype()
        ))),
    }
}

/// The code of each element, by whole-array comparisons: the rare spellings are looked for only where the first two left any.
fn codes<'py>(
    words: &Bound<'py, PyUntypedArray>,
    word: impl Fn(&str) -> Bound<'py, PyAny>,
) -> PyResult<Value<'py, u8>> {
    let py = words.py();
    let codes = PyArrayDyn::<u8>::zeros(py, words.shape(), false);
    codes.call_method1("fill", (NEITHER,))?;
    for pair in WORDS.chunks(2) {
        for (known, code) in pair {
            codes.set_item(words.rich_compare(word(known), CompareOp::Eq)?, *code)?;
        }
        if !codes.rich_compare(NEITHER, CompareOp::Eq)?.call_method0("any")?.is_truthy()? {
            break;
        }
    }
    Ok(Value::Array(codes.readonly()))
}
