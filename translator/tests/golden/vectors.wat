;; A vector loop.
;;
;;   0  vsetvli a3, a2, e8, m1, ta, ma
;;   4  vle8.v v8, (a0)
;;   8  vadd.vi v8, v8, 1
;;   c  vse8.v v8, (a1)
;;  10  add a0, a0, a3
;;  14  add a1, a1, a3
;;  18  sub a2, a2, a3
;;  1c  bne a2, zero, . + -28
;;  20  jalr zero, 0(ra)
(func $region_0 (;6;) (type 6) (param i64 i32 i32) (result i64)
  (local i64 i64 i64 i64 i64 i64 i32 i32 i32 i64)
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
      block ;; label = @3
        local.get 3
        i64.const 9
        i64.le_s
        if ;; label = @4
          i32.const 0
          br 3 (;@1;)
        end
        i32.const 0
        i64.load offset=4176
        local.set 4
        i32.const 0
        i64.load offset=4184
        local.set 5
        i32.const 0
        i64.load offset=4192
        local.set 6
        i32.const 0
        i64.load offset=4200
        local.set 7
        i32.const 0
        local.set 1
        br 0 (;@3;)
      end
      block (result i32) ;; label = @3
        loop ;; label = @4
          i32.const 0
          i32.load8_u offset=4699
          i32.eqz
          if ;; label = @5
            i32.const 0
            br 2 (;@3;)
          end
          local.get 6
          i64.const 16
          local.get 6
          i64.const 16
          i64.lt_u
          select
          local.set 8
          i32.const 0
          i32.const 196
          i32.store8 offset=5213
          i32.const 0
          local.get 8
          i64.store8 offset=5214
          i32.const 0
          i32.const 0
          i32.store8 offset=5215
          local.get 8
          local.set 7
          i32.const 0
          i32.load8_u offset=5214
          local.set 9
          local.get 9
          i32.eqz
          if ;; label = @5
            i32.const 8193
            br 2 (;@3;)
          end
          local.get 4
          local.set 8
          local.get 8
          i64.const 8
          i64.shr_u
          i32.wrap_i64
          i32.const 65520
          i32.and
          i32.const 0
          i32.load offset=4664
          i32.add
          local.tee 11
          i64.load
          local.get 8
          i64.xor
          i64.const 4096
          local.get 9
          i64.extend_i32_u
          i64.sub
          i64.gt_u
          if ;; label = @5
            i32.const 8193
            br 2 (;@3;)
          end
          local.get 8
          i32.wrap_i64
          local.get 11
          i32.load offset=8
          i32.add
          local.set 10
          local.get 9
          i32.const 16
          i32.eq
          if ;; label = @5
            i32.const 0
            local.get 10
            v128.load align=1
            v128.store offset=4829 align=1
          else
            i32.const 4829
            local.get 10
            local.get 9
            memory.copy
          end
          i32.const 0
          i32.load8_u offset=5214
          local.set 10
          i32.const 0
          i32.const 0
          v128.load offset=4829 align=1
          i64.const 1
          i32.wrap_i64
          i8x16.splat
          i8x16.add
          i32.const 0
          v128.load offset=4829 align=1
          v128.const i32x4 0x03020100 0x07060504 0x0b0a0908 0x0f0e0d0c
          local.get 10
          i8x16.splat
          i8x16.lt_u
          v128.bitselect
          v128.store offset=4829 align=1
          i32.const 0
          i32.load8_u offset=5214
          local.set 10
          local.get 10
          i32.eqz
          if ;; label = @5
            i32.const 24579
            br 2 (;@3;)
          end
          local.get 5
          local.set 8
          local.get 8
          i64.const 8
          i64.shr_u
          i32.wrap_i64
          i32.const 65520
          i32.and
          i32.const 0
          i32.load offset=4672
          i32.add
          local.tee 11
          i64.load
          local.get 8
          i64.xor
          i64.const 4096
          local.get 10
          i64.extend_i32_u
          i64.sub
          i64.gt_u
          if ;; label = @5
            i32.const 24579
            br 2 (;@3;)
          end
          local.get 8
          i32.wrap_i64
          local.get 11
          i32.load offset=8
          i32.add
          local.set 9
          local.get 10
          i32.const 16
          i32.eq
          if ;; label = @5
            local.get 9
            i32.const 0
            v128.load offset=4829 align=1
            v128.store align=1
          else
            local.get 9
            i32.const 4829
            local.get 10
            memory.copy
          end
          local.get 4
          local.get 7
          i64.add
          local.set 4
          local.get 5
          local.get 7
          i64.add
          local.set 5
          local.get 6
          local.get 7
          i64.sub
          local.set 6
          local.get 3
          i64.const 8
          i64.sub
          local.set 3
          local.get 6
          i64.eqz
          i32.eqz
          if ;; label = @5
            local.get 3
            i64.const 9
            i64.gt_s
            br_if 1 (;@4;)
            i32.const 0
            br 2 (;@3;)
          end
          i32.const 0
          local.get 4
          i64.store offset=4176
          i32.const 0
          local.get 5
          i64.store offset=4184
          i32.const 0
          local.get 6
          i64.store offset=4192
          i32.const 0
          local.get 7
          i64.store offset=4200
          br 2 (;@2;)
        end
        unreachable
      end
      i32.const 0
      local.get 4
      i64.store offset=4176
      i32.const 0
      local.get 5
      i64.store offset=4184
      i32.const 0
      local.get 6
      i64.store offset=4192
      i32.const 0
      local.get 7
      i64.store offset=4200
      br 1 (;@1;)
    end
    i32.const 0
    i64.load offset=4104
    local.set 12
    local.get 12
    i64.const -2
    i64.and
    local.set 8
    local.get 3
    i64.const 1
    i64.sub
    local.set 3
    i32.const 0
    local.get 3
    i64.store offset=4616
    local.get 8
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
