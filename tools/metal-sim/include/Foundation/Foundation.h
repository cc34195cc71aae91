// Foundation as the sources of metal-sgd use it: GNUstep's where there is one, and otherwise (when
// compiling for macOS without Apple's SDK) plain declarations of the few classes that are used.
#pragma once

#ifdef GNUSTEP

#include_next <Foundation/Foundation.h>

#else

#include <objc/NSObjCRuntime.h>
#include <objc/NSObject.h>
#include <objc/objc.h>
#include <stddef.h>
#include <stdint.h>

@protocol NSCopying
- (nonnull id)copyWithZone:(nullable struct _NSZone *)zone;
@end

typedef NSUInteger NSStringEncoding;
enum : NSStringEncoding { NSUTF8StringEncoding = 4 };

@interface NSString : NSObject <NSCopying>
+ (nullable instancetype)stringWithCString:(nonnull const char *)text
                                  encoding:(NSStringEncoding)encoding;
- (nullable const char *)UTF8String;
@end

@interface NSError : NSObject <NSCopying>
- (NSInteger)code;
- (nonnull NSString *)localizedDescription;
@end

@interface NSArray : NSObject <NSCopying>
- (NSUInteger)count;
- (nonnull id)objectAtIndex:(NSUInteger)index;
@end

@interface NSAutoreleasePool : NSObject
- (void)drain;
@end

#endif

typedef double CFTimeInterval;
