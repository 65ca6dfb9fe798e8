;; Arithmetic on registers, and a return.
;;
;;   0  add a0, a0, a1
;;   4  slli a1, a0, 3
;;   8  addw a2, a1, a0
;;   c  sltu a3, a2, a0
;;  10  mulhu a4, a3, a1
;;  14  divu a5, a4, a2
;;  18  sh2add a0, a5, a1
;;  1c  jalr zero, 0(ra)
(func $region_0 (;6;) (type 6) (param i64 i32 i32) (result i64)
  (local i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)
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
      i64.const 8
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
    i64.load offset=4184
    local.set 5
    local.get 4
    local.get 5
    i64.add
    local.set 4
    local.get 4
    i64.const 3
    i64.shl
    local.set 5
    local.get 5
    local.get 4
    i64.add
    i64.extend32_s
    local.set 6
    local.get 6
    local.get 4
    i64.lt_u
    i64.extend_i32_u
    local.set 7
    local.get 7
    i64.const 32
    i64.shr_u
    local.tee 9
    local.get 5
    i32.wrap_i64
    i64.extend_i32_u
    local.tee 10
    i64.mul
    local.get 7
    i32.wrap_i64
    i64.extend_i32_u
    local.tee 8
    local.get 10
    i64.mul
    i64.const 32
    i64.shr_u
    i64.add
    local.tee 11
    i64.const 32
    i64.shr_u
    local.get 9
    local.get 5
    i64.const 32
    i64.shr_u
    local.tee 10
    i64.mul
    i64.add
    local.get 8
    local.get 10
    i64.mul
    local.get 11
    i32.wrap_i64
    i64.extend_i32_u
    i64.add
    i64.const 32
    i64.shr_u
    i64.add
    local.set 12
    local.get 6
    i64.eqz
    if (result i64) ;; label = @2
      i64.const -1
    else
      local.get 12
      local.get 6
      i64.div_u
    end
    local.set 13
    local.get 13
    i64.const 2
    i64.shl
    local.get 5
    i64.add
    local.set 4
    i32.const 0
    i64.load offset=4104
    local.set 14
    local.get 14
    i64.const -2
    i64.and
    local.set 11
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
    i32.const 0
    local.get 12
    i64.store offset=4208
    i32.const 0
    local.get 13
    i64.store offset=4216
    local.get 3
    i64.const 8
    i64.sub
    local.set 3
    i32.const 0
    local.get 3
    i64.store offset=4616
    local.get 11
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
