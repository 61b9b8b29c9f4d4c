//! Inference: batches through a dense network 64-256-256-1 in f32, as for a volatility surface or a pricing surrogate.

use zomma_gpu::probe::element::uniform;
use zomma_gpu::probe::host::Threads;
use zomma_gpu::probe::network::{Activation, DeviceNetwork, HostNetwork, Network};

use super::Section;
use super::task::{Bench, Cores, TaskName};

/// Inputs, two hidden layers, output.
const WIDTHS: [usize; 4] = [64, 256, 256, 1];
/// Rows of each batch that are checked.
const SAMPLES: usize = 50;
/// What three layers of sums of up to 256 terms in f32 may be off, in epsilons of the last sum's magnitude.
const BOUND: f64 = 256.0;
/// ε of tf32 over ε of f32: tensor cores round factors so.
const TF32: f64 = 8192.0;

/// Measures each activation at each batch size.
pub fn run(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    for rows in bench.size(&[1, 1024, 65_536][..], &[1, 256][..]) {
        forward(bench, Activation::Relu, *rows)?;
    }
    forward(bench, Activation::Gelu, bench.size(1024, 256))
}

fn forward(bench: &mut Bench<'_>, activation: Activation, rows: usize) -> anyhow::Result<()> {
    let task = format!("64-256-256-1 {}", activation.as_str());
    let size = if rows == 1 { "1 row".into() } else { format!("{rows} rows") };
    let name = TaskName { section: Section::Network, task: &task, size: &size, unit: "krow/s" };
    let bytes = rows * WIDTHS.iter().sum::<usize>() * size_of::<f32>();
    bench.task(name, rows as f64 / 1e3, bytes, |task| {
        let network = Network::new(&WIDTHS, activation, 1);
        let batch = uniform::<f32>(rows * network.inputs(), 2);
        let mut here = HostNetwork::new(&network, rows);
        let threads = |cores| if cores == Cores::One { Threads::One } else { Threads::All };
        let mut worst: f64 = 0.0;
        for cores in [Cores::One, Cores::All] {
            worst = worst.max(network.worst_error(&batch, here.run(&batch, threads(cores)), SAMPLES));
        }
        task.on_host(|cores| {
            here.run(&batch, threads(cores));
        })?;
        task.check("cpu", worst <= BOUND);
        let mut tensor_cores = false;
        task.on_device(|compute, timer| {
            let there = DeviceNetwork::new(compute, &network, &batch)?;
            let speed = timer.measure(|| Ok(there.run()?))?;
            let error = network.worst_error(&batch, &there.result()?, SAMPLES);
            tensor_cores = error > BOUND && error <= TF32 * 4.0;
            Ok((speed, error <= BOUND || tensor_cores))
        })?;
        if tensor_cores {
            task.note("device: factors rounded to tf32 (10 bits) for the tensor cores".into());
        }
        Ok(())
    })
}
