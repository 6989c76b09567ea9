//! The instructions that programs may have, and what each costs: together with the interpreter's version and the limits of
//! [`super::admission`] this *is* engine 1. It never changes: other costs are another engine.
//!
//! A unit of fuel is at most some two nanoseconds of a core. Calls pay for the locals that they set to zero, and growing
//! memory for the bytes that are new.

use wasmi::{CustomFuelCosts, OperatorCost};
use wasmparser::Operator;

/// No program has such an instruction.
const NEVER: u8 = u8::MAX;

/// Fuel for copying, filling or adding memory.
pub(super) const COPIED: CustomFuelCosts = CustomFuelCosts {
    bytes_copied_per_fuel: 32,
    // Translation is paid for once in a block, as the ledger counts it, and not by who happens to be first.
    fuel_per_bytes_translated: 0,
    fuel_per_bytes_validated: 0,
};

macro_rules! operators {
    (allowed { $($camel:ident $snake:ident $cost:literal;)* } never { $($never:ident)* }) => {
        /// Whether programs may have an instruction.
        pub(super) const fn is_allowed(operator: &Operator<'_>) -> bool {
            matches!(operator, $(Operator::$camel { .. })|*)
        }

        /// What instructions cost.
        pub(super) const COSTS: OperatorCost = OperatorCost {
            $($snake: $cost,)*
            $($never: NEVER,)*
        };

        /// The instructions that programs may have, with their costs, for the reference.
        pub const REFERENCE: &[(&str, u8)] = &[$((stringify!($camel), $cost),)*];
    };
}

operators! {
    allowed {
        Unreachable unreachable 1;
        Nop nop 1;
        Block block 1;
        Loop loop_ 1;
        If if_ 1;
        Else else_ 1;
        End end 0;
        Br br 1;
        BrIf br_if 1;
        BrTable br_table 3;
        Return return_ 1;
        Call call 10;
        CallIndirect call_indirect 14;
        Drop drop 1;
        Select select 1;
        LocalGet local_get 1;
        LocalSet local_set 1;
        LocalTee local_tee 1;
        GlobalGet global_get 1;
        GlobalSet global_set 1;
        I32Load i32_load 1;
        I64Load i64_load 1;
        I32Load8S i32_load8_s 1;
        I32Load8U i32_load8_u 1;
        I32Load16S i32_load16_s 1;
        I32Load16U i32_load16_u 1;
        I64Load8S i64_load8_s 1;
        I64Load8U i64_load8_u 1;
        I64Load16S i64_load16_s 1;
        I64Load16U i64_load16_u 1;
        I64Load32S i64_load32_s 1;
        I64Load32U i64_load32_u 1;
        I32Store i32_store 1;
        I64Store i64_store 1;
        I32Store8 i32_store8 1;
        I32Store16 i32_store16 1;
        I64Store8 i64_store8 1;
        I64Store16 i64_store16 1;
        I64Store32 i64_store32 1;
        MemorySize memory_size 1;
        MemoryGrow memory_grow 200;
        I32Const i32_const 1;
        I64Const i64_const 1;
        I32Eqz i32_eqz 1;
        I32Eq i32_eq 1;
        I32Ne i32_ne 1;
        I32LtS i32_lt_s 1;
        I32LtU i32_lt_u 1;
        I32GtS i32_gt_s 1;
        I32GtU i32_gt_u 1;
        I32LeS i32_le_s 1;
        I32LeU i32_le_u 1;
        I32GeS i32_ge_s 1;
        I32GeU i32_ge_u 1;
        I64Eqz i64_eqz 1;
        I64Eq i64_eq 1;
        I64Ne i64_ne 1;
        I64LtS i64_lt_s 1;
        I64LtU i64_lt_u 1;
        I64GtS i64_gt_s 1;
        I64GtU i64_gt_u 1;
        I64LeS i64_le_s 1;
        I64LeU i64_le_u 1;
        I64GeS i64_ge_s 1;
        I64GeU i64_ge_u 1;
        I32Clz i32_clz 1;
        I32Ctz i32_ctz 1;
        I32Popcnt i32_popcnt 1;
        I32Add i32_add 1;
        I32Sub i32_sub 1;
        I32Mul i32_mul 1;
        I32DivS i32_div_s 3;
        I32DivU i32_div_u 3;
        I32RemS i32_rem_s 3;
        I32RemU i32_rem_u 3;
        I32And i32_and 1;
        I32Or i32_or 1;
        I32Xor i32_xor 1;
        I32Shl i32_shl 1;
        I32ShrS i32_shr_s 1;
        I32ShrU i32_shr_u 1;
        I32Rotl i32_rotl 1;
        I32Rotr i32_rotr 1;
        I64Clz i64_clz 1;
        I64Ctz i64_ctz 1;
        I64Popcnt i64_popcnt 1;
        I64Add i64_add 1;
        I64Sub i64_sub 1;
        I64Mul i64_mul 1;
        I64DivS i64_div_s 4;
        I64DivU i64_div_u 4;
        I64RemS i64_rem_s 4;
        I64RemU i64_rem_u 4;
        I64And i64_and 1;
        I64Or i64_or 1;
        I64Xor i64_xor 1;
        I64Shl i64_shl 1;
        I64ShrS i64_shr_s 1;
        I64ShrU i64_shr_u 1;
        I64Rotl i64_rotl 1;
        I64Rotr i64_rotr 1;
        I32WrapI64 i32_wrap_i64 1;
        I64ExtendI32S i64_extend_i32_s 1;
        I64ExtendI32U i64_extend_i32_u 1;
        I32Extend8S i32_extend8_s 1;
        I32Extend16S i32_extend16_s 1;
        I64Extend8S i64_extend8_s 1;
        I64Extend16S i64_extend16_s 1;
        I64Extend32S i64_extend32_s 1;
        MemoryCopy memory_copy 20;
        MemoryFill memory_fill 20;
    }
    never {
        f32_load
        f64_load
        f32_store
        f64_store
        f32_const
        f64_const
        f32_eq
        f32_ne
        f32_lt
        f32_gt
        f32_le
        f32_ge
        f64_eq
        f64_ne
        f64_lt
        f64_gt
        f64_le
        f64_ge
        f32_abs
        f32_neg
        f32_ceil
        f32_floor
        f32_trunc
        f32_nearest
        f32_sqrt
        f32_add
        f32_sub
        f32_mul
        f32_div
        f32_min
        f32_max
        f32_copysign
        f64_abs
        f64_neg
        f64_ceil
        f64_floor
        f64_trunc
        f64_nearest
        f64_sqrt
        f64_add
        f64_sub
        f64_mul
        f64_div
        f64_min
        f64_max
        f64_copysign
        i32_trunc_f32_s
        i32_trunc_f32_u
        i32_trunc_f64_s
        i32_trunc_f64_u
        i64_trunc_f32_s
        i64_trunc_f32_u
        i64_trunc_f64_s
        i64_trunc_f64_u
        f32_convert_i32_s
        f32_convert_i32_u
        f32_convert_i64_s
        f32_convert_i64_u
        f32_demote_f64
        f64_convert_i32_s
        f64_convert_i32_u
        f64_convert_i64_s
        f64_convert_i64_u
        f64_promote_f32
        i32_reinterpret_f32
        i64_reinterpret_f64
        f32_reinterpret_i32
        f64_reinterpret_i64
        i32_trunc_sat_f32_s
        i32_trunc_sat_f32_u
        i32_trunc_sat_f64_s
        i32_trunc_sat_f64_u
        i64_trunc_sat_f32_s
        i64_trunc_sat_f32_u
        i64_trunc_sat_f64_s
        i64_trunc_sat_f64_u
        ref_null
        ref_is_null
        ref_func
        typed_select
        return_call
        return_call_indirect
        memory_init
        data_drop
        table_init
        elem_drop
        table_copy
        table_fill
        table_get
        table_set
        table_grow
        table_size
        i64_add128
        i64_sub128
        i64_mul_wide_s
        i64_mul_wide_u
    }
}
