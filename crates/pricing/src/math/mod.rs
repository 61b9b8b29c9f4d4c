//! Elementary functions that vectorise: branch-free f64 exp, ln, erfcx and the normal distribution, generic over fused or plain
//! multiply-add so that one source serves AVX-512, AVX2+FMA and the baseline.
