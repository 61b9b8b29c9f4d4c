//! Products of square matrices: crate `gemm` on the processor, `cubek-matmul` on the device, sums in f64 as the judge.

use zomma_gpu::probe::element::{Element, uniform};
use zomma_gpu::probe::host::{self, Shape, Threads, worst_error};
use zomma_gpu::probe::matmul::DeviceProduct;

use super::Section;
use super::task::{Bench, Cores, TaskName};

/// Entries of each product that are checked.
const SAMPLES: usize = 200;
/// ε of f32 over ε of tf32, whose significand has 10 bits: tensor cores round factors so.
const TF32: f64 = 8192.0;

/// Measures f32 and f64 at each size.
pub fn run(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    for side in bench.size(&[512, 2048][..], &[96][..]) {
        product::<f32>(bench, *side)?;
        product::<f64>(bench, *side)?;
    }
    Ok(())
}

fn product<T: Element>(bench: &mut Bench<'_>, side: usize) -> anyhow::Result<()> {
    let shape = Shape::square(side);
    let (task, size) = (format!("{} product", T::NAME), format!("{side}x{side}"));
    let name = TaskName { section: Section::Matmul, task: &task, size: &size, unit: "GFLOP/s" };
    let bytes = 4 * side * side * size_of::<T>();
    bench.task(name, shape.operations() / 1e9, bytes, |task| {
        let (left, right) = (uniform::<T>(side * side, 1), uniform::<T>(side * side, 2));
        let mut out = vec![T::ZERO; side * side];
        // A sum of n products is within n epsilons of its terms' magnitude, whatever its order.
        let bound = side as f64;
        let mut worst: f64 = 0.0;
        for cores in [Cores::One, Cores::All] {
            host::multiply(shape, &left, &right, &mut out, threads(cores));
            worst = worst.max(worst_error(shape, &left, &right, &out, SAMPLES));
        }
        task.on_host(|cores| host::multiply(shape, &left, &right, &mut out, threads(cores)))?;
        task.check("cpu", worst <= bound);
        let mut tensor_cores = false;
        task.on_device(|compute, timer| {
            let product = DeviceProduct::new(compute, shape, &left, &right)?;
            let speed = timer.measure(|| Ok(product.run()?))?;
            let error = worst_error(shape, &left, &right, &product.result()?, SAMPLES);
            tensor_cores = T::NAME == "f32" && error > bound && error <= TF32 * 4.0;
            Ok((speed, error <= bound || tensor_cores))
        })?;
        if tensor_cores {
            task.note("device: factors rounded to tf32 (10 bits) for the tensor cores".into());
        }
        Ok(())
    })
}

fn threads(cores: Cores) -> Threads {
    match cores {
        Cores::One => Threads::One,
        Cores::All => Threads::All,
    }
}
