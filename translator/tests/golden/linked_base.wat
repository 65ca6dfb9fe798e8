;; A jump that overwrites a base register: what was probed there is forgotten.
;;
;;   0  ld a1, 0(a0)
;;   4  jal a0, . + 8
;;   8  addi zero, zero, 0
;;   c  ld a2, 0(a0)
;;  10  jalr zero, 0(ra)
(func $region_0 (;6;) (type 6) (param i64 i32 i32) (result i64)
  (local i64 i64 i32 i64 i32 i64 i64 i64)
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
        i64.const 4
        i64.le_s
        if ;; label = @4
          i32.const 0
          br 3 (;@1;)
        end
        i32.const 0
        local.set 1
        br 0 (;@3;)
      end
      i32.const 0
      i64.load offset=4176
      local.set 4
      local.get 4
      local.set 6
      local.get 6
      i64.const 8
      i64.shr_u
      i32.wrap_i64
      i32.const 65520
      i32.and
      i32.const 0
      i32.load offset=4664
      i32.add
      local.tee 7
      i64.load
      local.get 6
      i64.xor
      i64.const 4088
      i64.gt_u
      if ;; label = @3
        i32.const 0
        br 2 (;@1;)
      end
      local.get 6
      i32.wrap_i64
      local.get 7
      i32.load offset=8
      i32.add
      local.set 5
      local.get 5
      i64.load align=1
      local.set 8
      local.get 0
      i64.const 8
      i64.add
      local.set 4
      i32.const 0
      local.get 4
      i64.store offset=4176
      i32.const 0
      local.get 8
      i64.store offset=4184
      local.get 3
      i64.const 2
      i64.sub
      local.set 3
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
    i32.load offset=4664
    i32.add
    local.tee 7
    i64.load
    local.get 6
    i64.xor
    i64.const 4088
    i64.gt_u
    if ;; label = @2
      i32.const 24576
      br 1 (;@1;)
    end
    local.get 6
    i32.wrap_i64
    local.get 7
    i32.load offset=8
    i32.add
    local.set 5
    local.get 5
    i64.load align=1
    local.set 9
    i32.const 0
    i64.load offset=4104
    local.set 10
    local.get 10
    i64.const -2
    i64.and
    local.set 6
    i32.const 0
    local.get 9
    i64.store offset=4192
    local.get 3
    i64.const 2
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
