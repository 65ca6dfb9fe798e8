;; A loop without accesses to memory: its registers are in locals all the time.
;;
;;   0  addi a0, zero, 0
;;   4  add a0, a0, a1
;;   8  xor a2, a2, a0
;;   c  addi a1, a1, -1
;;  10  bne a1, zero, . + -12
;;  14  addi a1, a2, 0
;;  18  jalr zero, 0(ra)
(func $region_0 (;6;) (type 6) (param i64 i32 i32) (result i64)
  (local i64 i64 i64 i64 i64 i64)
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
        block ;; label = @4
          block ;; label = @5
            local.get 1
            br_if 0 (;@5;)
            local.get 3
            i64.const 7
            i64.le_s
            if ;; label = @6
              i32.const 0
              br 5 (;@1;)
            end
            i32.const 0
            local.set 1
            br 1 (;@4;)
          end
          block ;; label = @5
            local.get 1
            i32.const 1
            i32.sub
            br_table 0 (;@5;)
          end
          local.get 3
          i64.const 6
          i64.le_s
          if ;; label = @5
            i32.const 8192
            br 4 (;@1;)
          end
          i32.const 0
          local.set 1
          br 1 (;@3;)
        end
        i64.const 0
        local.set 4
        i32.const 0
        local.get 4
        i64.store offset=4176
        local.get 3
        i64.const 1
        i64.sub
        local.set 3
      end
      loop ;; label = @3
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
        i32.const 0
        i64.load offset=4192
        local.set 6
        local.get 6
        local.get 4
        i64.xor
        local.set 6
        local.get 5
        i64.const -1
        i64.add
        local.set 5
        i32.const 0
        local.get 4
        i64.store offset=4176
        i32.const 0
        local.get 5
        i64.store offset=4184
        i32.const 0
        local.get 6
        i64.store offset=4192
        local.get 3
        i64.const 4
        i64.sub
        local.set 3
        local.get 5
        i64.eqz
        i32.eqz
        if ;; label = @4
          local.get 3
          i64.const 6
          i64.gt_s
          br_if 1 (;@3;)
          i32.const 8192
          br 3 (;@1;)
        end
        br 1 (;@2;)
      end
    end
    local.get 6
    local.set 5
    i32.const 0
    i64.load offset=4104
    local.set 7
    local.get 7
    i64.const -2
    i64.and
    local.set 8
    i32.const 0
    local.get 5
    i64.store offset=4184
    local.get 3
    i64.const 2
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
