//! Probes on a device, software or real, against the processor's twins.

use zomma_gpu::Compute;
use zomma_gpu::probe::element::{Element, uniform};
use zomma_gpu::probe::host::{Shape, worst_error};
use zomma_gpu::probe::matmul::DeviceProduct;
use zomma_gpu::probe::network::{Activation, DeviceNetwork, Network};
use zomma_gpu::probe::rolling::{rolling_into, rolling_on};
use zomma_gpu::probe::stream::{DeviceStream, Pass, download, upload};

use super::vulkan;

fn product<T: Element>(compute: &Compute, shape: Shape) {
    let (left, right) = (uniform::<T>(shape.rows * shape.inner, 1), uniform::<T>(shape.inner * shape.columns, 2));
    let product = DeviceProduct::new(compute, shape, &left, &right).unwrap();
    product.run().unwrap();
    let out = product.result().unwrap();
    let error = worst_error(shape, &left, &right, &out, usize::MAX);
    assert!(error <= shape.inner as f64, "{} {shape:?}: {error} epsilons", T::NAME);
}

#[test]
fn products_in_single_precision_are_right_for_even_and_odd_sizes() {
    let Some(compute) = vulkan() else { return };
    for (rows, inner, columns) in [(64, 64, 64), (1, 64, 256), (100, 33, 17), (256, 256, 1)] {
        product::<f32>(&compute, Shape { rows, inner, columns });
    }
}

#[test]
fn products_in_double_precision_are_right_for_even_and_odd_sizes() {
    let Some(compute) = vulkan() else { return };
    for (rows, inner, columns) in [(64, 64, 64), (100, 33, 17)] {
        product::<f64>(&compute, Shape { rows, inner, columns });
    }
}

#[test]
fn a_network_gives_the_outputs_of_its_twin() {
    let Some(compute) = vulkan() else { return };
    for activation in [Activation::Relu, Activation::Gelu] {
        let network = Network::new(&[16, 32, 32, 1], activation, 5);
        for rows in [1, 37] {
            let batch = uniform::<f32>(rows * 16, 9);
            let there = DeviceNetwork::new(&compute, &network, &batch).unwrap();
            there.run().unwrap();
            // A second run starts from the batch again, not from what the first left.
            there.run().unwrap();
            let outputs = there.result().unwrap();
            assert_eq!(outputs.len(), rows);
            let error = network.worst_error(&batch, &outputs, rows);
            assert!(error < 64.0, "{activation:?} {rows}: {error}");
        }
    }
}

#[test]
fn each_pass_over_memory_writes_what_it_should_to_every_element() {
    let Some(compute) = vulkan() else { return };
    // More than one axis of blocks holds: 2^15 blocks of 256 threads.
    for count in [1, 1000, (1 << 23) + 77] {
        let stream = DeviceStream::new(&compute, count).unwrap();
        for pass in [Pass::Copy, Pass::Fill, Pass::Triad] {
            stream.run(pass).unwrap();
            let seen = stream.result().unwrap();
            assert_eq!(seen.len(), count);
            assert!(seen.iter().all(|x| *x == pass.expected()), "{pass:?} of {count}");
        }
    }
}

#[test]
fn values_come_back_as_they_went_up() {
    let Some(compute) = vulkan() else { return };
    let values = uniform::<f64>(10_001, 3);
    assert_eq!(download(&compute, &upload(&compute, &values).unwrap()).unwrap(), values);
}

#[test]
fn windows_on_the_device_are_those_of_the_twin() {
    let Some(compute) = vulkan() else { return };
    let values = uniform::<f64>(5000, 3);
    for window in [1, 20, 10_000] {
        let there = rolling_on(&compute, &values, window).unwrap();
        let (mut mean, mut deviation) = (vec![0.0; values.len()], vec![0.0; values.len()]);
        rolling_into(&values, window, 0..values.len(), &mut mean, &mut deviation);
        for i in 0..values.len() {
            assert!((there.mean[i] - mean[i]).abs() <= 1e-12, "mean {i}");
            assert!((there.deviation[i] - deviation[i]).abs() <= 1e-12, "deviation {i}");
        }
    }
    assert!(rolling_on(&compute, &[], 5).unwrap().mean.is_empty());
}
