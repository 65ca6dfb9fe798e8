;; Double precision, in the rounding mode of fcsr.
;;
;;   0  fld f10, 0(a0)
;;   4  fmul.d f11, f10, f10
;;   8  fadd.d f11, f11, f10
;;   c  flt.d a1, f10, f11
;;  10  fcvt.d.l f12, a1
;;  14  fsd f11, 8(a0)
;;  18  jalr zero, 0(ra)
(func $region_0 (;6;) (type 6) (param i64 i32 i32) (result i64)
  (local i64 i64 i32 i64 i32 f64 f64 f64 i64 f64 i64)
  block (result i32) ;; label = @1
    local.get 0
    i64.const 3
    i64.add
    local.get 0
    i64.const 7
    i64.shr_u
    i32.wrap_i64
    i32.const 65504
    i32.and
    i32.const 0
    i32.load offset=4680
    i32.add
    i64.load offset=8
    i64.ne
    local.get 2
    i32.const 0
    i32.lt_s
    i32.or
    if ;; label = @2
      local.get 0
      i64.const 0
      i64.add
      i32.const 0
      i64.load offset=4608
      local.get 1
      i32.eqz
      select
      br 2
    end
    i32.const 0
    i64.load offset=4616
    local.set 3
    block ;; label = @2
      local.get 3
      i64.const 7
      i64.le_s
      if ;; label = @3
        i32.const 0
        br 2 (;@1;)
      end
      i32.const 0
      local.set 1
      br 0 (;@2;)
    end
    i32.const 0
    i64.load offset=4176
    local.set 4
    i32.const 0
    i32.load8_u offset=4696
    i32.eqz
    if ;; label = @2
      i32.const 0
      br 1 (;@1;)
    end
    local.get 4
    local.set 6
    local.get 6
    i64.const 8
    i64.shr_u
    i32.wrap_i64
    i32.const 65520
    i32.and
    i32.const 0
    i32.load offset=4672
    i32.add
    local.tee 7
    i64.load
    local.get 6
    i64.xor
    i64.const 4080
    i64.gt_u
    if ;; label = @2
      i32.const 0
      br 1 (;@1;)
    end
    local.get 6
    i32.wrap_i64
    local.get 7
    i32.load offset=8
    i32.add
    local.set 5
    local.get 5
    f64.load align=1
    local.set 8
    i32.const 0
    local.get 8
    f64.store offset=4432
    i32.const 0
    i32.load8_u offset=4697
    i32.eqz
    if ;; label = @2
      i32.const 8193
      br 1 (;@1;)
    end
    local.get 8
    local.get 8
    f64.mul
    local.set 9
    local.get 9
    i64.reinterpret_f64
    i64.const 52
    i64.shr_u
    i32.wrap_i64
    i32.const 2047
    i32.and
    i32.const 2
    i32.sub
    i32.const 2045
    i32.ge_u
    if ;; label = @2
      local.get 8
      f64.const 0x0p+0 (;=0;)
      f64.eq
      local.get 8
      f64.const 0x0p+0 (;=0;)
      f64.eq
      i32.or
      local.get 9
      f64.const 0x0p+0 (;=0;)
      f64.eq
      i32.and
      i32.eqz
      if ;; label = @3
        i32.const 8193
        br 2 (;@1;)
      end
    end
    local.get 9
    local.set 10
    local.get 10
    local.get 8
    f64.add
    local.set 9
    i32.const 0
    local.get 10
    f64.store offset=4440
    local.get 9
    i64.reinterpret_f64
    i64.const 52
    i64.shr_u
    i32.wrap_i64
    i32.const 2047
    i32.and
    i32.const 2047
    i32.eq
    if ;; label = @2
      i32.const 16386
      br 1 (;@1;)
    end
    local.get 9
    local.set 10
    i32.const 0
    local.get 10
    f64.store offset=4440
    local.get 8
    local.get 8
    f64.ne
    local.get 10
    local.get 10
    f64.ne
    i32.or
    if ;; label = @2
      i32.const 24579
      br 1 (;@1;)
    end
    local.get 8
    local.get 10
    f64.lt
    i64.extend_i32_u
    local.set 11
    local.get 11
    f64.convert_i64_s
    local.set 12
    local.get 5
    local.get 10
    f64.store offset=8 align=1
    i32.const 0
    i64.load offset=4104
    local.set 13
    local.get 13
    i64.const -2
    i64.and
    local.set 6
    i32.const 0
    local.get 11
    i64.store offset=4184
    i32.const 0
    local.get 12
    f64.store offset=4448
    local.get 3
    i64.const 7
    i64.sub
    local.set 3
    i32.const 0
    local.get 3
    i64.store offset=4616
    local.get 6
    br 1
    unreachable
  end
  local.tee 1
  i32.const 11
  i32.shr_u
  i64.extend_i32_u
  local.get 0
  i64.add
  i32.const 0
  local.get 3
  local.get 1
  i32.const 2047
  i32.and
  i64.extend_i32_u
  i64.sub
  i64.store offset=4616
