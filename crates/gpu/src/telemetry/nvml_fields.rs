//! NVML's field values with a scope: nvml-wrapper has the call, but not the scope that asks for all NVLinks at once.

use nvml_wrapper::Device;
use nvml_wrapper::error::{NvmlError, nvml_try};
use nvml_wrapper_sys::bindings::{
    nvmlFieldValue_t, nvmlValue_t, nvmlValueType_enum_NVML_VALUE_TYPE_DOUBLE,
    nvmlValueType_enum_NVML_VALUE_TYPE_SIGNED_LONG_LONG, nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT,
    nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG, nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG_LONG,
};

/// The scope that sums a counter over all NVLinks.
pub(super) const ALL_LINKS: u32 = u32::MAX;

/// Asks for fields by number and scope. Numbers from 251 on differ among drivers: none of them may be asked for here.
///
/// # Errors
///
/// NVML's, for all of them or for each.
pub(super) fn read(device: &Device<'_>, fields: &[(u32, u32)]) -> Result<Vec<Result<u64, NvmlError>>, NvmlError> {
    let library = device.nvml().lib();
    let call = library.nvmlDeviceGetFieldValues.as_ref().map_err(|_| NvmlError::FunctionNotFound)?;
    let mut values: Vec<nvmlFieldValue_t> = fields.iter().map(|&(id, scope)| question(id, scope)).collect();
    let count = i32::try_from(values.len()).map_err(|_| NvmlError::InvalidArg)?;
    // SAFETY: the handle is alive as long as `device`, whose library `call` belongs to; `values` holds `count` values that NVML
    // may write to, and it keeps no pointer to them.
    nvml_try(unsafe { call(device.handle(), count, values.as_mut_ptr()) })?;
    Ok(values.into_iter().map(answer).collect())
}

fn question(id: u32, scope: u32) -> nvmlFieldValue_t {
    nvmlFieldValue_t {
        fieldId: id,
        scopeId: scope,
        timestamp: 0,
        latencyUsec: 0,
        valueType: nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG_LONG,
        nvmlReturn: 0,
        value: nvmlValue_t { ullVal: 0 },
    }
}

/// A value as a whole number; a driver gives counters and flags in any of these types.
fn answer(field: nvmlFieldValue_t) -> Result<u64, NvmlError> {
    nvml_try(field.nvmlReturn)?;
    let value = field.value;
    #[allow(non_upper_case_globals)]
    match field.valueType {
        // SAFETY: each part of the union is a plain number without invalid bit patterns, and NVML says which one it wrote.
        nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT => Ok(u64::from(unsafe { value.uiVal })),
        // SAFETY: as above.
        nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG => Ok(unsafe { value.ulVal }),
        // SAFETY: as above.
        nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG_LONG => Ok(unsafe { value.ullVal }),
        nvmlValueType_enum_NVML_VALUE_TYPE_SIGNED_LONG_LONG => {
            // SAFETY: as above.
            u64::try_from(unsafe { value.sllVal }).map_err(|_| NvmlError::NoData)
        }
        // SAFETY: as above.
        nvmlValueType_enum_NVML_VALUE_TYPE_DOUBLE => match unsafe { value.dVal } {
            double if double >= 0.0 && double < u64::MAX as f64 => Ok(double as u64),
            _ => Err(NvmlError::NoData),
        },
        _ => Err(NvmlError::NotSupported),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(value_type: u32, value: nvmlValue_t, code: u32) -> Result<u64, NvmlError> {
        answer(nvmlFieldValue_t { valueType: value_type, nvmlReturn: code, value, ..question(1, 0) })
    }

    #[test]
    fn each_type_of_value_is_read_as_what_it_is() {
        let unsigned = nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT;
        assert_eq!(answered(unsigned, nvmlValue_t { uiVal: 7 }, 0).ok(), Some(7));
        let double = nvmlValueType_enum_NVML_VALUE_TYPE_DOUBLE;
        assert_eq!(answered(double, nvmlValue_t { dVal: 41.5 }, 0).ok(), Some(41));
        for bad in [f64::NAN, -1.0, f64::INFINITY] {
            assert!(answered(double, nvmlValue_t { dVal: bad }, 0).is_err(), "{bad}");
        }
        let signed = nvmlValueType_enum_NVML_VALUE_TYPE_SIGNED_LONG_LONG;
        assert!(answered(signed, nvmlValue_t { sllVal: -1 }, 0).is_err());
        assert!(answered(99, nvmlValue_t { ullVal: 1 }, 0).is_err());
        assert!(answered(unsigned, nvmlValue_t { uiVal: 7 }, 3).is_err());
    }
}
