// Buffer: a move-only, uninitialised, 64-byte aligned owner of trivially copyable values.
// Views are std::span (trivially copyable, checked in Debug by the standard library).
#pragma once

#include <cstddef>
#include <cstring>
#include <limits>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace tessera {

template <class T>
class Buffer {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    static constexpr std::size_t alignment = 64;

    Buffer() = default;
    explicit Buffer(std::size_t n) : size_(n) {
        if (n > std::numeric_limits<std::size_t>::max() / sizeof(T)) throw std::bad_array_new_length();
        if (n != 0) data_ = static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t(alignment)));
    }
    Buffer(std::size_t n, T value) : Buffer(n) {
        for (std::size_t i = 0; i < n; ++i) data_[i] = value;
    }
    Buffer(Buffer&& o) noexcept : data_(std::exchange(o.data_, nullptr)), size_(std::exchange(o.size_, 0)) {}
    Buffer& operator=(Buffer&& o) noexcept {
        std::swap(data_, o.data_);
        std::swap(size_, o.size_);
        return *this;
    }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() {
        if (data_) ::operator delete(data_, std::align_val_t(alignment));
    }

    Buffer clone() const {
        Buffer b(size_);
        if (size_ != 0) std::memcpy(static_cast<void*>(b.data_), data_, size_ * sizeof(T));
        return b;
    }
    // Forgets what lies behind the first n values; the memory stays owned.
    void shrink(std::size_t n) noexcept { size_ = n < size_ ? n : size_; }

    T* data() noexcept { return data_; }
    const T* data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    T& operator[](std::size_t i) noexcept { return data_[i]; }
    const T& operator[](std::size_t i) const noexcept { return data_[i]; }
    T* begin() noexcept { return data_; }
    T* end() noexcept { return data_ + size_; }
    const T* begin() const noexcept { return data_; }
    const T* end() const noexcept { return data_ + size_; }
    std::span<T> view() noexcept { return {data_, size_}; }
    std::span<const T> view() const noexcept { return {data_, size_}; }

private:
    T* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace tessera
